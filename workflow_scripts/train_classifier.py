"""Train a small image classifier on the reference."""

from gapmatch.running.command_line import run
from gapmatch.train.classifier import train_classifier

if __name__ == "__main__":
    run(train_classifier)
