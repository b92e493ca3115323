"""Causal convolution whose taps are generated from features."""
