"""The engine on a GPU: one pass over a dataset for all test sets, decided where it is multiplied.

A block of the dataset goes through five steps, all on the device:

- ``reading``: threads copy rows into pinned buffers, which are uploaded beside the products;
- ``operands``: rows as they are multiplied, in float16, and how far that is from their directions;
- ``products``: the product of which only the largest scores of groups are kept ("peaks"), by the
  Triton kernels of ``kernels`` or, where Triton does not run, by torch;
- ``shortlist``: the groups that may hold a winner, and the pairs in them that may be one;
- ``winners``: those pairs decided by exact similarities, and ``results``, fetched a block late.

``queries`` lays out the test sets, ``memory`` chooses the sizes, ``engine`` runs the steps. The
host waits for the device twice a block, whatever the number of test sets: for the number of groups
and for the number of pairs.
"""
