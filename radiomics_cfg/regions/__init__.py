"""Where in a scan is measured: grids, lesions, and regions of interest around them."""
