"""Decisions: what is in production, what is pruned, and the recorded evidence each of them rests on."""
