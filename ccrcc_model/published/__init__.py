"""From a printed row back to the counts behind it."""
