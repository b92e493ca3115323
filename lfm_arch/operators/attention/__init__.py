"""Softmax attention, and attention over keys and values of an earlier layer."""
