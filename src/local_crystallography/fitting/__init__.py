"""Atoms fitted to an image with the precision that its noise allows. NumPy only."""
