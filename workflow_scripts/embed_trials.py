"""Embed the images of the main trials with a model, and tell how similar it finds them."""

from gapmatch.human_check.trial_similarity import embed_trials
from gapmatch.running.command_line import run

if __name__ == "__main__":
    run(embed_trials)
