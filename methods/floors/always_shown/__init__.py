"""The floor of AU detection: every action unit is predicted for every clip."""
