"""Exact similarity search between the images of test sets and a large dataset.

The similarity s(x, y) of two images is the cosine of their embeddings. Every search is a blocked
product of matrices (tests x block of the dataset) that is never stored whole:

- ``engine``: the two questions (margins, neighbours) that an engine answers; ``engines``: by name;
- ``fused``: the engine on a CPU, both answers from one product; ``gpu``: the same on a GPU;
- ``faiss_engine``: the same answers from FAISS, to check one by the other;
- ``normalising``: stored vectors as tensors of length 1, checked; ``blocks``: sizes that fit;
- ``screening``: the precision of the product, and the proof of how far a score may be off;
- ``candidates``: collecting the pairs that may win, tile by tile; ``picking``: few entries of
  large matrices; ``grouping``: the order of the test images in which few pairs may win;
- ``exact``: similarities in float64; ``winners``: the choice among candidates.

Products only find candidates: every pair within twice the product's error of winning is recomputed
in float64, and equal similarities are ordered by row. The results therefore depend neither on
precision, block sizes, threads and devices nor on the engine.
"""
