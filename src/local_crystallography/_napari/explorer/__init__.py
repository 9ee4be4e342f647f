"""The latent explorer: linked plots of the atoms, legend, and the card of the atom under the pointer."""
