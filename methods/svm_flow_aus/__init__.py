"""Support vector machines on the flow image, one per action unit: the classical baseline of AU detection."""
