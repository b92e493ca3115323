"""Embedding head."""
