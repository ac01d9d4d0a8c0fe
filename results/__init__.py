"""Published figures and our own measured runs. Installed as ``merbench.results``; ``results/runs/`` stays local."""
