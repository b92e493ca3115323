"""The typed graph of an architecture and the passes that complete, check and count it."""
