"""merbench: a benchmark harness and leaderboard for micro-expression recognition (MER).

The running wing turns a database into a clip table, splits and prepared inputs, and the engine trains and tests
methods on them. It writes records, from which the reading wing computes scores, analyses and tables. Each room is a
sub-package; imports point towards :mod:`merbench.contracts`.
"""

__version__ = "0.1.0"
