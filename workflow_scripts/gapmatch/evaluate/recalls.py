"""Recall at K: what retrieval is measured by, for programs that need no torch."""

RECALLS = (1, 5, 10)
"""A caption or image is found if it is among so many."""
