"""The analyses of the images in a viewer, and the one job that may run on them."""
