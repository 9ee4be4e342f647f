"""The symmetry dock: the chain of section 1, and what windows of the image can decide."""
