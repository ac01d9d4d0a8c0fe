"""The class whose mean brightness is nearest."""
