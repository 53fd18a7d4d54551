"""Embedding the images of a chunk; taking embeddings that exist already."""
