"""MLflow as a mirror of the records: files are the truth, and what MLflow shows can be made again from them.

``stores`` says where it is, ``contents`` what a run looks like there, ``sync`` brings the one in line with the other,
and ``mirror`` has that done in a process of its own while folds are trained. MLflow itself, which takes seconds to
import, is imported inside functions of ``stores`` and ``sync``.
"""
