"""Shared training code: the training loop, and adapters that leave an author two functions to write."""

#: Increment when a change here alters training results; part of every result's key.
CODE_VERSION = 1
