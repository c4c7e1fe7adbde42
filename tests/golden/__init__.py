"""Our numbers against the recorded ones of the official code."""
