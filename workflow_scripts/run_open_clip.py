"""Run open_clip_train with seeded data loading; takes open_clip_train's own arguments."""

import sys
from functools import partial

from gapmatch.running.command_line import fill_process
from gapmatch.running.process_lifetime import end_with_parent
from gapmatch.train.reproducible_training import train

if __name__ == "__main__":
    end_with_parent()  # where torchrun is, which does not
    fill_process(partial(train, sys.argv[1:]))
