"""Inputs and results of steps: images, atoms, sub-images, probability maps."""
