"""The figures, one module each, drawn from tables alone."""
