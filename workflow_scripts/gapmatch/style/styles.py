"""Learning styles and assigning them to the pool's samples: from files to files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.data.embedding_files import (
    EmbeddedChunk,
    Stored,
    embedded_chunks,
    evenly_spaced,
    open_embeddings,
    read_metadata,
)
from gapmatch.running.atomic import write_json, write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.option_types import Positive
from gapmatch.style.style_classifier import (
    Names,
    StyleClassifier,
    hold_out,
    learn,
    read_classifier,
    write_classifier,
)

BLOCK = 65_536
"""Samples whose probabilities are in memory at a time."""


class Examples(NamedTuple):
    """Images of known style.

    Attributes:
        vectors: (examples, dim).
        styles: (examples,): the style of each.
        groups: (examples,): its class, where that is known beside its style.
    """

    vectors: Stored
    styles: Names
    groups: list[str | None]


def learn_styles(
    *,
    embeddings: Path,
    chunks: list[str],
    from_pool: bool = False,
    threshold: float,
    held_out: float,
    max_examples: Positive,
    seed: int,
    out: Path,
    summary: Path,
) -> None:
    """Learn styles from examples, and test the classifier on those that it has not seen.

    Args:
        embeddings: Folder of the examples' embeddings.
        chunks: Their chunk ids.
        from_pool: The examples are pool samples with a style; else their class is it.
        threshold: Probability from which a sample has a style.
        held_out: Share that the classifier is tested on.
        max_examples: Examples, at most.
        seed: Seed of the choice of what is held out.
        out: Output: the classifier (.npz).
        summary: Output: learned.json.
    """
    examples = read_examples(embedded_chunks(embeddings, chunks), from_pool, max_examples)
    unseen = hold_out(examples.groups, held_out, seed)
    classifier = learn(examples.vectors[~unseen], examples.styles[~unseen])
    found, _ = classifier.assign(examples.vectors[unseen], threshold)
    write_classifier(out, classifier)
    write_json(
        summary,
        {
            "styles": list(classifier.styles),
            "threshold": threshold,
            "examples": int((~unseen).sum()),
            "held_out": int(unseen.sum()),
            "held_out_classes": len(
                {group for group, out in zip(examples.groups, unseen, strict=True) if out and group}
            ),
            "confusion": confusion(classifier, examples.styles[unseen], found),
        },
    )


def confusion(
    classifier: StyleClassifier, truth: Names, assigned: npt.NDArray[np.int16]
) -> list[dict[str, object]]:
    """Count images by their style and the one that they were assigned; null is none."""
    names = [*classifier.styles, None]  # -1 is the last
    table = pl.DataFrame({"style": truth, "assigned": [names[place] for place in assigned]})
    return table.group_by("style", "assigned").len("n").sort("style", "assigned").to_dicts()


def read_examples(files: Sequence[EmbeddedChunk], from_pool: bool, most: int) -> Examples:
    """Read images of known style.

    Args:
        files: Their embeddings.
        from_pool: Their metadata have style and class; else the class is the style.
        most: Most examples, evenly spaced.

    Raises:
        InputError: None has a style.
    """
    column = "style" if from_pool else "class_name"
    tables: list[pl.DataFrame] = []
    stored: list[Stored] = []
    for chunk in files:
        vectors = open_embeddings(chunk.embeddings)
        table = read_metadata(chunk, ["style", "class_name"], len(vectors))
        stored.append(vectors)
        tables.append(table.with_columns(chunk=len(tables)).with_row_index("row"))
    known = pl.concat(tables).filter(pl.col(column).is_not_null())
    if known.is_empty():
        raise InputError(
            "no sample of the pool has a style: set styles.examples to images whose classes are "
            "styles"
            if from_pool
            else "styles.examples: no image has a class"
        )
    known = known[evenly_spaced(len(known), most)]
    parts = [
        stored[int(place)][rows["row"].to_numpy()]
        for (place,), rows in known.group_by("chunk", maintain_order=True)
    ]
    groups = known["class_name"].to_list() if from_pool else [None] * len(known)
    return Examples(np.concatenate(parts), known[column].to_numpy().astype(np.str_), groups)


def assign_styles(*, img_emb: Path, classifier: Path, threshold: float, out: Path) -> None:
    """Assign styles to the samples of a chunk.

    Args:
        img_emb: Embeddings of the chunk (.npy).
        classifier: Output of learn_styles.py.
        threshold: Probability from which a sample has a style.
        out: Output: styles_<chunk>.parquet.
    """
    found, vectors = read_classifier(classifier), open_embeddings(img_emb)
    if found.weights.shape[1] != vectors.shape[1]:
        raise InputError(
            f"{classifier} was trained on embeddings of {found.weights.shape[1]} dimensions, and "
            f"{img_emb} has {vectors.shape[1]}: run learn_styles again"
        )
    names, parts = pl.Series([*found.styles, None], dtype=pl.String), []
    for start in range(0, len(vectors), BLOCK):
        style, probability = found.assign(vectors[start : start + BLOCK], threshold)
        parts.append(pl.DataFrame({"style": names[style % len(names)], "probability": probability}))
    empty = pl.DataFrame(schema={"style": pl.String, "probability": pl.Float32})
    rows = pl.DataFrame({"row": np.arange(len(vectors), dtype=np.int32)})
    write_parquet(out, rows.hstack(pl.concat([empty, *parts])))
