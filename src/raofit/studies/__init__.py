"""Published experiments as data plus calls into the floors below."""
