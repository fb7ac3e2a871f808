"""What a study shows: before it starts, and while it runs."""
