"""Run open_clip_train with seeded data loaders; takes open_clip_train's own arguments."""

import sys

from gapmatch.reproducible_training import train

if __name__ == "__main__":
    train(sys.argv[1:])
