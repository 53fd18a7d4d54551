"""The emoji source: a pool, a reference and test sets made of packaged artwork."""
