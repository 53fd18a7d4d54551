"""Download of a chunk with img2dataset."""
