"""Points to classes: features, mixtures and other methods, numbers that stay, changes by hand. No step, no window."""
