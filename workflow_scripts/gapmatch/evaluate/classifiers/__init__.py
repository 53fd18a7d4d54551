"""Classifier kinds: a module of each, of its name."""
