"""Video tubelets."""
