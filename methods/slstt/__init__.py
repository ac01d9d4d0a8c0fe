"""SLSTT: a vision transformer on the coloured flow from the onset to each frame, and an LSTM over time."""
