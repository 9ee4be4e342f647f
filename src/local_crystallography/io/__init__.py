"""Files: images, probability maps, sessions and their provenance."""
