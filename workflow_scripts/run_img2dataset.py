"""Run img2dataset without what it imports and has no use for; takes img2dataset's own arguments."""

import os
import sys
from types import ModuleType

# img2dataset imports wandb, and webdataset imports torch, wherever they are installed. These
# imports take three fifths of the start of each of img2dataset's three processes, all of which run
# this file. img2dataset fails without wandb, so it gets an empty module; webdataset does without
# torch.
sys.modules["wandb"] = ModuleType("wandb")
sys.modules["torch"] = None  # type: ignore[assignment]
# One of its packages asks the network for a newer release of itself unless it is told not to.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import img2dataset  # noqa: E402

if __name__ == "__main__":
    img2dataset.main()
