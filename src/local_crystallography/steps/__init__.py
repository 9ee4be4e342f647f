"""The verbs: one file each, in the order of the workflow."""
