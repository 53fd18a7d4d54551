"""Making the chunks of a dataset: from links, images or shards."""
