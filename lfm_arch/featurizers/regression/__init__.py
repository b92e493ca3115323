"""Regression head."""
