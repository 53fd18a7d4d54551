"""Loading encoders, classifiers and weights; devices and precision."""
