"""A dataset as chunks of webdataset shards: sources, samples, decoding, embedding files."""
