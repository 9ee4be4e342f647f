"""State and pictures that windows and reports share, without Qt."""
