"""Steps of the workflow, one file each."""
