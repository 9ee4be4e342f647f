"""Bayesian symmetry: posteriors, intervals, decisions and the local map. Only `sampling` uses PyMC."""
