"""Figures and pages of results; nothing is computed here."""
