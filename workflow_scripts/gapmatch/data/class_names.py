"""What is odd about the classes of labelled images."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

SHOWN = 5


def class_problems(classes: Sequence[str], labels: Iterable[int]) -> Iterator[str]:
    """Yield what a person should know of the classes before models are judged by them.

    Args:
        classes: Their names.
        labels: The classes that images show, as positions in ``classes``.
    """
    shown = set(labels)
    empty = [name for label, name in enumerate(classes) if label not in shown]
    if empty:
        verb = "class has" if len(empty) == 1 else "classes have"
        yield f"{len(empty)} {verb} no image: {_some(empty)}"
    if len(classes) == 1:
        yield "it has only one class: a model has nothing to choose between"
    repeated = sorted(name for name, times in Counter(classes).items() if times > 1)
    if repeated:
        yield (
            f"several classes share a name ({_some(repeated)}): zero-shot classification cannot "
            "tell them apart"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
