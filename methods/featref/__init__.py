"""FeatRef-style: features of each class by attention, on a flow image."""
