"""Mamba-2, the state space dual layer."""
