"""The latent explorer: linked plots of the atoms, and what the pointer is on."""
