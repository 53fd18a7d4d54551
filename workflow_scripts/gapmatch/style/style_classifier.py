"""A style classifier on embeddings: trained on examples, tested on others."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gapmatch.data.embedding_files import Float64
from gapmatch.running.atomic import atomic_path
from gapmatch.running.errors import InputError

Names = npt.NDArray[np.str_]
MOST_ITERATIONS = 10_000


class StyleClassifier(NamedTuple):
    """Multinomial logistic regression: the probabilities are softmax(x W^T + b).

    Attributes:
        styles: Their names, sorted.
        weights: W, (styles, dim) float64.
        biases: b, (styles,) float64.
    """

    styles: tuple[str, ...]
    weights: Float64
    biases: Float64

    def probabilities(self, vectors: npt.NDArray[np.floating]) -> Float64:
        """Return the probability of each style, (rows, styles).

        Args:
            vectors: (rows, dim), of length 1.
        """
        scores = vectors.astype(np.float64) @ self.weights.T + self.biases
        scores -= scores.max(axis=1, keepdims=True)
        found = np.exp(scores)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def assign(
        self, vectors: npt.NDArray[np.floating], threshold: float
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
        """Return the style of each image, (rows,) int16, and its probability, (rows,) float32.

        Args:
            vectors: (rows, dim), of length 1.
            threshold: Less probable ones have none: -1.
        """
        found = self.probabilities(vectors)
        style = found.argmax(axis=1).astype(np.int16)
        probability = found.max(axis=1)
        style[probability < threshold] = -1
        return style, probability.astype(np.float32)


def learn(vectors: npt.NDArray[np.floating], styles: Names) -> StyleClassifier:
    """Learn the styles of images by scikit-learn's logistic regression on standardised embeddings.

    Args:
        vectors: (examples, dim), of length 1.
        styles: (examples,): the style of each.

    Raises:
        InputError: There are fewer than two styles.
    """
    names = np.unique(styles)
    if len(names) < 2:
        raise InputError(
            f"styles: the examples to train on are of one style ({', '.join(names)}), and two are "
            "needed at least: give styles.examples with more styles, or lower styles.held_out"
        )
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(vectors.astype(np.float64))
    fitted = LogisticRegression(max_iter=MOST_ITERATIONS)
    fitted.fit(scaler.transform(vectors.astype(np.float64)), styles)
    weights, biases = fitted.coef_ / scaler.scale_, fitted.intercept_.copy()
    biases -= weights @ scaler.mean_
    if len(names) == 2:  # scikit-learn tells the second against the first
        weights, biases = np.vstack([0 * weights, weights]), np.append(0.0, biases)
    return StyleClassifier(tuple(names.tolist()), weights, biases)


def hold_out(groups: Sequence[str | None], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose what is held out: whole groups at random; an example without one is a group itself.

    Args:
        groups: (examples,): the class of each, where it is known.
        share: Of the groups; one at least is held out, and one is not.
        seed: Seed of the choice.
    """
    known = sorted({group for group in groups if group is not None})
    places = {group: place for place, group in enumerate(known)}
    numbers = np.array(
        [len(known) + row if group is None else places[group] for row, group in enumerate(groups)],
        dtype=np.int64,
    )
    every = np.unique(numbers)
    number = min(max(round(share * len(every)), 1), len(every) - 1)
    chosen = np.random.default_rng(seed).permutation(every)[:number]
    return np.isin(numbers, chosen)


def write_classifier(path: Path, classifier: StyleClassifier) -> None:
    """Write a classifier as arrays, without pickle."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            styles=np.array(classifier.styles),
            weights=classifier.weights,
            biases=classifier.biases,
        )


def read_classifier(path: Path) -> StyleClassifier:
    """Read a classifier.

    Raises:
        InputError: The file is missing or is not a style classifier.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            styles = tuple(found["styles"].tolist())
            return StyleClassifier(styles, found["weights"], found["biases"])
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a style classifier ({error}): delete it, and snakemake makes it again"
        ) from None
