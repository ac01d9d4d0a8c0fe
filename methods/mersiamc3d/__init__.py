"""MERSiamC3D-style: a 3D net that learns first whether two clips show the same class, then the classes."""
