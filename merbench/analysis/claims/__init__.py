"""What arithmetic says of printed figures: which can be true, which slips would give them, and what it says of all."""
