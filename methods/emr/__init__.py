"""EMR: upper and lower face apart on the coloured flow, and a critic of macro- and micro-expressions."""
