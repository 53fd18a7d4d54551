"""Test images and their neighbours, to browse from disk."""
