"""Stand-in for the Duix engine: its HTTP contract and log lines, with ffmpeg in place of the model."""
