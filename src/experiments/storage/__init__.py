"""Storage: the engine, the SQL catalog and the tables. The only layer that speaks SQL."""
