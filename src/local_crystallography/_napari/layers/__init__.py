"""The border with napari: what its layers show of an analysis."""
