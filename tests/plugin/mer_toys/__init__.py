"""Toys for merbench, in a package of their own."""
