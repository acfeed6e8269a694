"""A locked model elsewhere: nothing is fitted here."""
