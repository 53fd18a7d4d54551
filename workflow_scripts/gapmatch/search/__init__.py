"""The results of searching test sets in pool and reference, as files; ``similarity`` searches."""
