"""What follows from records: rows, rankings, explanations, ablations, the audit of selection rules, diagnostics."""
