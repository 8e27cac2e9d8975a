"""Runs that come from other systems and go to them: a legacy SQLite file, an MLflow server."""
