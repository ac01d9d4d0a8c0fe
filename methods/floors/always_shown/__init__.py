"""The floor of AU detection: every action unit is shown, whatever is seen."""
