"""Studies of finished analyses: they add no columns."""
