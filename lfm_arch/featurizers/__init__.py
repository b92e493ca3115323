"""Operators whose input or output is not the model's stream: what turns raw input into it, and heads out of it."""
