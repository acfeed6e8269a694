"""From cases to a locked model."""
