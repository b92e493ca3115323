"""Gated delta net."""
