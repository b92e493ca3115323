"""Sequence of raw vectors."""
