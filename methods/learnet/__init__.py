"""LEARNet: four columns with lateral accretion on the dynamic image."""
