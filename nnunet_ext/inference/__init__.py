"""From a scan to the network's classes: nnU-Net's steps, done where the kidneys are and nowhere held whole."""
