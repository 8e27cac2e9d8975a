"""Run tracking: what a run logs is in a journal when the call returns, and in the tables soon after."""
