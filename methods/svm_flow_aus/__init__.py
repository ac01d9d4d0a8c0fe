"""Support vector machines on the flow image, one an action unit: the classical baseline of AU detection."""
