"""Versions of data: content that never changes, what is in it, and which run read which part of it."""
