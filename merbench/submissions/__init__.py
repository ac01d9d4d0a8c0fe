"""Submitted rows: what goes with them, what is looked at before they are believed, and their methods run again."""
