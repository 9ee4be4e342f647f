"""Symmetry as a posterior: intervals, decisions and the local map. PyMC is known in `sampling` alone."""
