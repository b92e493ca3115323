"""Language model head."""
