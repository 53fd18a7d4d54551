"""Classify a test set with an image classifier, among the test set's own classes."""

from gapmatch.evaluate.supervised import evaluate_classifier
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(evaluate_classifier)
