"""Scan distortion of one image, measured on its own lattice. NumPy only."""
