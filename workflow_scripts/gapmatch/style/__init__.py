"""Styles of the pool's images: learned from examples, assigned to samples."""
