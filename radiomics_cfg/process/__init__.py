"""One process: its threads and its memory."""
