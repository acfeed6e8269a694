"""From masks to a feature table: regions of interest, presets, extraction."""
