"""The backbone inside libraries that people already use; each module needs the library of its name."""
