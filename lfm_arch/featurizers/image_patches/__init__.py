"""Image patches."""
