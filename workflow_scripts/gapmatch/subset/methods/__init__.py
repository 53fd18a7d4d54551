"""Subset methods: a module of each, of its name."""
