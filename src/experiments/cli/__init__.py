"""The command line: asks the services, prints what they say."""

FAILED, INTERRUPTED, READER_LEFT = 1, 130, 141
"""Exit codes beside 0, done, and click's 2, not understood."""
