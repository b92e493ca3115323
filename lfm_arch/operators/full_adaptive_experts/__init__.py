"""Mixture of adaptive experts, whole generated matrices."""
