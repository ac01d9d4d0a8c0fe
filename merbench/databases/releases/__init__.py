"""Releases of ready-made arrays: what they hold, their checksums, and how they are downloaded."""
