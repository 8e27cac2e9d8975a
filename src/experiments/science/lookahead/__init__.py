"""Whether a model looks ahead."""
