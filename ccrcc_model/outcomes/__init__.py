"""What is predicted: targets, the outcomes file, cases with their labels, and what each step saw of them."""
