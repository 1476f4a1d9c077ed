"""What a run writes down: its folder, checkpoints, wire log, environment, and loggers beside them."""
