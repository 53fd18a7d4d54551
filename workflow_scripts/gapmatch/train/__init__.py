"""Training of CLIP models, embedders and classifiers."""
