"""Run merbench as ``python -m merbench``."""

from merbench.cli import main

main()
