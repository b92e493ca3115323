"""Adaptive linear map, low-rank."""
