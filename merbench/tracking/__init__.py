"""MLflow as a mirror of the records: files are the truth, and MLflow's runs can be created again from them.

``servers`` finds the tracking server, ``contents`` describes a run for it, ``sync`` brings it in line with the records,
and ``mirror`` does that in a process of its own while folds are trained. MLflow itself, which takes seconds to import,
is imported inside functions of ``servers`` and ``sync``.
"""
