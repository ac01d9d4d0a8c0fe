"""Conformance checks on methods, run in a process that holds no labels of test clips."""
