"""What trained methods share: the adapters that leave an author two functions to write, and the loop."""

#: Counted up when a change here changes what a method learns; part of every result's key.
CODE_VERSION = 1
