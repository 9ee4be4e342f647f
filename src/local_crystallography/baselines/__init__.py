"""Descriptions of atoms that need no training: what the network is compared with.

`pixels` are the sub-images as rows of numbers, `components` (PCA, NMF, ICA and the window Fourier transform) and
`mixtures` are made of those, `neighbours` of the places of the atoms, `zernike` of what does not turn.
"""
