"""OrigiNet: pairs of convolutions of two sizes on the active image."""
