"""Measured quality: real bytes, an explicit small replica of a candidate, the one small trainer, a recall task."""
