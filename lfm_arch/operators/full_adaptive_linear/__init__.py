"""Adaptive linear map, whole generated matrix."""
