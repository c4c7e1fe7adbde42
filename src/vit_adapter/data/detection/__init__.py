"""The published training transforms of detection: images with boxes, masks and ignored regions."""
