"""Which clips count, which class they are, and who is held out when: protocols applied to clip tables."""
