"""Where the face is: found once a clip, and what finding it takes on this machine."""
