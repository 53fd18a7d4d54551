"""Zero-shot and classifier predictions on test sets."""
