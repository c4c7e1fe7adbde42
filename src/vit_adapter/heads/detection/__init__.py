"""Heads that find objects: their necks, anchors, proposals, regions and losses."""
