"""Sessions of the images in a viewer, and the background jobs on them."""
