"""Crystal structures to simulated images with their truth.

`structures` projects crystals to columns, `scene` and `regions` describe a picture, `columns` places the
columns of a scene, `distort` says where a drifting, jittering scan meets them, `render` turns them into
counts, `simulation` joins these, `samples` knows the shipped pictures.
"""
