"""A method that can not be imported."""
