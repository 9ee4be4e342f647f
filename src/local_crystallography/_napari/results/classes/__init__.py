"""Classes: sizes, pictures, symmetry, reasons."""
