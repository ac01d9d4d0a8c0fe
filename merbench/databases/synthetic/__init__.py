"""The synthetic stand-in: clips drawn by a program, in the layouts of CASME II, SAMM and SMIC-HS."""
