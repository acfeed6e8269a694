"""Foreign layouts to cohorts, and cohorts to nnU-Net's."""
