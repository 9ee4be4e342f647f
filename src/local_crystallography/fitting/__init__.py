"""Atoms fitted to an image at the limit of the counts. NumPy only."""
