"""How any database of frames is read: trees of folders, annotation sheets, layouts, corrections."""
