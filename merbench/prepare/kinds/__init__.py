"""Input kinds, a file each: how an input is built, checked, drawn and derived. `kind.py` and `build.py` serve them."""
