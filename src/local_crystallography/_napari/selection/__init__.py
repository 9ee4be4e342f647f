"""What is done with the selected atoms."""
