"""Feature vector pooled from another featurizer."""
