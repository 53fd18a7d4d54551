"""The choice of pool samples that a model is trained on, and its certificate."""
