"""The floor with chance in it: classes drawn as often as the training clips show them."""
