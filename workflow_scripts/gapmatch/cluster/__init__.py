"""Clusters of the pool, for deduplication and for diversity."""
