"""``import merbench as mb``: clips, folds, inputs, runs and scores as data frames and arrays.

The functions do what the commands do, with their messages: wrong use raises the `MerbenchError` whose line the command
line prints, and what a command notes about its result is issued as a warning of Python. :mod:`merbench` imports them on
first use.
"""
