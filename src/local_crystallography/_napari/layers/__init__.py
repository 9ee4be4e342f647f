"""Layers of the viewer that show an analysis, and conversion from layers."""
