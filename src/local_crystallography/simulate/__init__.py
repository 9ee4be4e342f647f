"""Simulation of images of crystals, with ground truth.

`structures` projects crystals to columns, `scene` and `regions` describe an image, `columns` places the columns of a
scene, `distort` gives their positions in a drifting, jittering scan, `render` converts them to counts, `simulation`
combines these, and `samples` loads the shipped images.
"""
