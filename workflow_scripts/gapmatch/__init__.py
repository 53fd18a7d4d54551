"""gapmatch: gap-matched pruning of web-scale training sets."""

__version__ = "0.1.0"
