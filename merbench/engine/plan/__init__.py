"""What is to be run: methods, data, code and settings as runs with keys, before anything is computed."""
