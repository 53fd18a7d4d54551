"""Choose the trials of the human check, from what the search found."""

from gapmatch.human_check.choice import choose_trials
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(choose_trials)
