"""What is looked at in doubt: what habits of picking an epoch add to a score, and whether a method plays fair."""
