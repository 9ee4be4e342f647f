"""Panels and their forms: one widget per field of a step."""
