"""Graph -> torch module."""
