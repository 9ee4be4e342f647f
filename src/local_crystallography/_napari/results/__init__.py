"""The components dock: classes in numbers, loadings of the baselines, windows and runs compared."""
