"""The figures, one module each: a function that computes what is drawn, and one that draws it."""
