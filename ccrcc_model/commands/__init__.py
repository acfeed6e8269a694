"""One command per file: its options, one stage, one closing line."""
