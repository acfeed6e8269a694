"""Results of several hospitals: what a site sends, and how they are put together."""
