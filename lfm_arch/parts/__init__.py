"""Torch pieces that operators share; they know no operator."""
