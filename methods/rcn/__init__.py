"""Recurrent convolutional nets."""
