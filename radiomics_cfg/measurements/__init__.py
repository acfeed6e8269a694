"""What a urologist asks of a mask: size, place, depth and attenuation of every lesion, and the kidneys' volumes."""
