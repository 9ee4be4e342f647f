"""Classes in pictures and numbers."""
