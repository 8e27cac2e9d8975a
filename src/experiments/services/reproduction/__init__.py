"""What it takes to run something again: seeds, code, machine; and running it again."""
