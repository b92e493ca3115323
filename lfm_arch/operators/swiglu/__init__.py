"""Gated channel mixers: SwiGLU and GeGLU."""
