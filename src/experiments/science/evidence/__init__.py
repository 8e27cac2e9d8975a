"""Evidence: what tells skill from luck, of two models or many, at one look or many."""
