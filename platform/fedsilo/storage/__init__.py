"""What a run writes: its folder and lock, checkpoints, wire log, environment, and loggers beside them."""
