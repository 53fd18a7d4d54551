"""What is odd about the classes of labelled images."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

SHOWN = 5
FEW = 10
"""With fewer images of a class, the interval of its average precision is far too short."""


def class_problems(
    classes: Sequence[str], labels: Iterable[int], multilabel: bool = False
) -> Iterator[str]:
    """Yield what a person should know of the classes before models are judged by them.

    Args:
        classes: Their names.
        labels: The classes that images show, as positions in ``classes``.
        multilabel: Whether an image may show any number of classes.
    """
    numbers = Counter(labels)
    empty = [name for label, name in enumerate(classes) if not numbers[label]]
    if empty:
        yield f"{_classes(len(empty))} no image: {_some(empty)}"
    if multilabel:
        few = [name for label, name in enumerate(classes) if 0 < numbers[label] < FEW]
        if few:
            yield (
                f"{_classes(len(few))} fewer than {FEW} images: {_some(few)}; do not trust the "
                "intervals of a mean average precision over few such classes"
            )
    elif len(classes) == 1:
        yield "it has only one class, so every answer of a model is right"
    repeated = sorted(name for name, times in Counter(classes).items() if times > 1)
    if repeated:
        yield (
            f"several classes share a name ({_some(repeated)}): zero-shot classification cannot "
            "tell them apart"
        )


def _classes(number: int) -> str:
    return "1 class has" if number == 1 else f"{number} classes have"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")
