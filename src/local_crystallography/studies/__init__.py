"""Studies of finished analyses, which add no columns."""
