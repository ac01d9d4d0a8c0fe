"""Carrying runs out: one fold after the other in this process, or many at a time on Ray."""
