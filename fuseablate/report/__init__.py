"""Reports: what has been trained, as comparisons, and the forms in which they are read."""
