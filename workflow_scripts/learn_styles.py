"""Learn styles from examples, and test the classifier on those that it has not seen."""

from gapmatch.running.command_line import run
from gapmatch.style.styles import learn_styles

if __name__ == "__main__":
    run(learn_styles)
