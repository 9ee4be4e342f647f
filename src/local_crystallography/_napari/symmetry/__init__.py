"""The symmetry dock."""
