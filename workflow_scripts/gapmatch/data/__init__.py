"""A dataset as chunks of webdataset shards: samples, decoding, embedding files."""
