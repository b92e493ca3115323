"""Mixture of adaptive experts, low-rank."""
