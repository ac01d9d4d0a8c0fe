"""Synthetic clips: procedural faces and motion, written in the layouts of CASME II, SAMM and SMIC-HS."""
