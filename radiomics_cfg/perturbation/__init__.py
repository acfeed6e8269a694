"""Masks drawn a little differently, and how well values agree under them."""
