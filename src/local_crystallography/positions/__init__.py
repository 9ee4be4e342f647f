"""Positions at the limit of the counts, and what they tell: joint fit, lattice, scan distortion. NumPy only."""
