"""Baselines: descriptions of atoms without training, for comparison with the network.

`pixels` provides sub-images as rows of numbers, which `components` (PCA, NMF, ICA and the windowed Fourier transform)
and `mixtures` use; `neighbours` uses the positions of atoms, and `zernike` gives rotationally invariant moments.
"""
