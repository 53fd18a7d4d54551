"""Exact similarity search between the images of test sets and a large dataset.

The similarity s(x, y) of two images is the cosine of their embeddings. Every search is a blocked
product of matrices (tests x block of the dataset) that is never stored whole:

- ``engine``: the two questions (``margins``, ``neighbours``) an engine answers; engines by name;
- ``fused``: the engine in torch, one pass per block, CPU and CUDA;
- ``faiss_engine``: the same answers from FAISS, to check one by the other;
- ``exact``: similarities in float64 and the choice among near ties, shared by the engines;
- ``candidates``: collecting the pairs that may win, tile by tile;
- ``tables``: the parquet files of results; ``merging``: one list of neighbours from many chunks;
- ``arguments``: command-line arguments that the search programs share.

Products are taken in float32 and used only to find candidates: every pair within twice
``exact.PRODUCT_ERROR`` of winning is recomputed in float64, and equal similarities are ordered by
row. The results therefore depend neither on block sizes, threads and devices nor on the engine.
"""
