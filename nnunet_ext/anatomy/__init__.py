"""What a mask may look like, and what it says of itself and of another mask."""
