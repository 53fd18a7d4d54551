"""Sources of images: a module of each, of its name."""
