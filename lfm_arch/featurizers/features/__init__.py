"""Raw feature vector."""
