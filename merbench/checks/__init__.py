"""Conformance checks on methods, run on synthetic clips in seconds.

An author checks a method in tests of their own::

    from merbench.checks import findings

    def test_my_method_passes_all_checks():
        assert [finding for finding in findings("my-method") if finding.result == "failed"] == []
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merbench.checks.checks import Finding


def findings(name: str, config: str | None = None, settings: Mapping[str, str] | None = None) -> "Iterator[Finding]":
    """Run every check on a registered method, under each task of its card; a finding has a ``result`` and ``evidence``.

    Without `config`, the card's quick configuration is checked, else the one for CPUs, else the default. Where `epochs`
    is a setting, is above 5, and neither it nor `config` is given, it is set to 5 if the other settings allow it.
    MerbenchError for an unknown method, configuration or setting.
    """
    from merbench.checks.checked import checked_methods
    from merbench.checks.checks import CHECKS

    for checked in checked_methods(name, config, settings):
        for check in CHECKS:
            yield check(checked)
