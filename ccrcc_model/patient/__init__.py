"""One patient: the page that a reader looks at, the index over many, and the reader's review on its way back."""
