"""merbench: a benchmark harness and leaderboard for micro-expression recognition (MER).

Data flows one way: database on disk -> clip table -> protocol (classes, folds) and prepared inputs -> engine -> method
-> predictions -> scoring -> report. Each room is a sub-package; imports only point towards :mod:`merbench.contracts`.
"""

__version__ = "0.1.0"
