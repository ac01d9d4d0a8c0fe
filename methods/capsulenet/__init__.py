"""CapsuleNet: capsules on a residual trunk, which see the apex frame."""
