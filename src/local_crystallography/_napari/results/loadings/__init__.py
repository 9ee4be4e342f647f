"""Loadings of components."""
