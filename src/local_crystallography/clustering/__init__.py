"""Clustering of atoms: features, mixtures and other methods, stable class numbers, manual changes."""
