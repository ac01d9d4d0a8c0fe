"""What every room shares: clip table, inputs, the method contract and its card, protocols, databases, the registry.

Nothing in here computes a result; it fixes the shapes in which results travel, and refuses what does not fit them.
"""
