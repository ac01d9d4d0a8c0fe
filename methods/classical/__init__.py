"""Classical features and estimators."""
