"""MLflow as a mirror of the records: files are the truth, and MLflow's runs can be created again from them.

MLflow itself, which takes seconds to import, is imported inside functions of ``servers`` and ``sync``.
"""
