"""From features to an answer, and how far to trust it: models, benchmark, report, command line."""
