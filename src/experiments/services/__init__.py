"""Services: connecting, recording, backtesting and answering, on top of science and storage."""
