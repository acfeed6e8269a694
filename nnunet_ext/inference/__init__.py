"""From a scan to the network's classes: nnU-Net's steps around the kidneys, never with a whole volume in memory."""
