"""Science: grids, metrics, significance and models. Never imports an engine."""
