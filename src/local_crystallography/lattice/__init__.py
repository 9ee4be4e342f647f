"""Lattices from positions, and what they tell of their atoms. NumPy only."""
