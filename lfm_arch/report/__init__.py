"""Finished records -> one self-contained HTML page; laid out in Python, drawn as inline SVG, no network."""
