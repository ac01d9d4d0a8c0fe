"""Toys, made-up runs and fault injectors that tests of several rooms share."""
