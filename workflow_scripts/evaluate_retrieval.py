"""Retrieve captions by images and images by captions with a CLIP model, within a test set."""

from gapmatch.evaluate.clip import evaluate_retrieval
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(evaluate_retrieval)
