"""State, generation and checkpoints of lowered models."""
