"""MMNet: the difference of apex and onset, attended to by its own motion, with the face's layout added."""
