"""Run open_clip_train with seeded data loaders; takes open_clip_train's own arguments."""

import sys
from functools import partial

from gapmatch.command_line import fill_process
from gapmatch.reproducible_training import train

if __name__ == "__main__":
    fill_process(partial(train, sys.argv[1:]))
