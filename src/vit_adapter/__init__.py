"""A feature pyramid from any plain Vision Transformer."""
