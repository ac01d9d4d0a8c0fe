"""A support vector machine on the flow image: the simplest method that sees motion."""
