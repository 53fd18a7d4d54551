"""Classify a test set zero-shot with a CLIP model, among the test set's own classes."""

from gapmatch.evaluate.clip import evaluate_zero_shot
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(evaluate_zero_shot)
