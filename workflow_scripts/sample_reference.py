"""Take a share of the reference at random; a smaller share is part of every larger one."""

from gapmatch.running.command_line import run
from gapmatch.subset.methods import random
from gapmatch.subset.selection import Selection, Size


def sample_reference(*, selection: Selection, size: Size = Size()) -> None:
    """Take a share of the reference at random; a smaller share is part of every larger one.

    Args:
        selection: The sample.
        size: The share.
    """
    random.select(selection=selection, size=size)


if __name__ == "__main__":
    run(sample_reference)
