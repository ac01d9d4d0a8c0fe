"""Tables written for a terminal and for papers."""
