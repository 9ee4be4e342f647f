"""Scan distortion of one image, from its own lattice. NumPy only."""
