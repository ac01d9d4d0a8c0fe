"""What can be run: a folder a method, with its card, its code and its notes. Installed as ``merbench.methods``."""
