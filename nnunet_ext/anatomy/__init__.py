"""What a mask may look like, checks of a single mask, and comparisons of two masks."""
