"""Lattices fitted to positions, and local quantities of their atoms. NumPy only."""
