"""Mamba, the selective state space layer."""
