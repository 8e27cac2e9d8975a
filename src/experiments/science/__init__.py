"""Science: grids, metrics, evidence and models. Never imports an engine."""
