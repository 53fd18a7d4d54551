"""The audit: what was pruned, by the class that it resembles, against a plain recomputation."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.running.errors import InputError
from gapmatch.tables.audit import EXAMPLES, Search, audit, choose_classes

CLASSES = ["cat", "dog", "owl"]
CHUNKS = {"00000": 30, "00001": 17}
TESTS = {"sketch": 6, "val": 4}


def write_files(folder: Path, seed: int) -> tuple[Search, list[Path], list[dict[str, object]]]:
    """Write what a search of random margins leaves; return every pool sample with what is known."""
    rng = np.random.default_rng(seed)
    labels = {name: [CLASSES[i] for i in rng.integers(3, size=n)] for name, n in TESTS.items()}
    for name, classes in labels.items():
        pl.DataFrame({"class_name": classes}).write_parquet(folder / f"{name}.parquet")
    samples: list[dict[str, object]] = []
    metadata = []
    for chunk, rows in CHUNKS.items():
        margins = {}
        for name, tests in TESTS.items():
            # Few values: ties occur.
            margins[name] = rng.integers(-3, 4, rows) / 10
            nearest = rng.integers(tests, size=rows)
            path = folder / "similarity" / name / "margins" / f"margins_{chunk}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pl.DataFrame(
                {
                    "row": np.arange(rows, dtype=np.int32),
                    "nearest_similarity": (0.5 + margins[name]).astype(np.float32),
                    "nearest_test_row": nearest.astype(np.int32),
                    "margin_rank_1": margins[name].astype(np.float32),
                }
            ).write_parquet(path)
            margins[f"{name} row"] = nearest
        in_pool = rng.random(rows) < 0.8
        largest = np.maximum(margins["sketch"], margins["val"])
        kept = in_pool & (largest <= 0)
        for kind, mask in (("pool", in_pool), ("kept", kept)):
            (folder / kind).mkdir(exist_ok=True)
            chosen = np.flatnonzero(mask).astype(np.int32)
            pl.DataFrame({"row": chosen}).write_parquet(folder / kind / f"kept_{chunk}.parquet")
        path = folder / f"metadata_{chunk}.parquet"
        pl.DataFrame(
            {
                "shard": ["00000.tar"] * rows,
                "image_path": [f"{row:05d}" for row in range(rows)],
                "caption": [f"{chunk} {row}" for row in range(rows)],
            }
        ).write_parquet(path)
        metadata.append(path)
        for row in np.flatnonzero(in_pool):
            winner = "val" if margins["val"][row] > margins["sketch"][row] else "sketch"
            samples.append(
                {
                    "key": (winner, labels[winner][margins[f"{winner} row"][row]]),
                    "pruned": not kept[row],
                    "margin": margins[winner][row],
                    "place": (chunk, int(row)),
                }
            )
    search = Search(
        similarity=folder / "similarity",
        test_sets=list(TESTS),
        rank=1,
        kept=folder / "kept",
        pool=folder / "pool",
        test_metadata={name: folder / f"{name}.parquet" for name in TESTS},
    )
    return search, metadata, samples


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_pool_sample_counts_once(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    search, metadata, samples = write_files(tmp_path_factory.mktemp("audit"), seed)
    counts, examples = audit(search, metadata)
    pool = Counter(sample["key"] for sample in samples)
    pruned = Counter(sample["key"] for sample in samples if sample["pruned"])
    for row in counts.iter_rows(named=True):
        key = (row["test_set"], row["test_class"])
        assert (row["pool"], row["pruned"]) == (pool.pop(key), pruned.get(key, 0))
        best = sorted(
            (-float(np.float32(sample["margin"])), sample["place"])  # type: ignore[arg-type]
            for sample in samples
            if sample["key"] == key and sample["pruned"]
        )[:EXAMPLES]
        found = examples.filter(test_set=key[0], test_class=key[1])
        assert found.select("chunk", "row").rows() == [place for _, place in best]
        captions = [f"{chunk} {number}" for _, (chunk, number) in best]
        assert (row["captions"] or "") == " | ".join(captions)
    assert not pool


def test_classes_that_lose_most_are_shown_behind_their_test_image(tmp_path: Path) -> None:
    search, metadata, _ = write_files(tmp_path, seed=1)
    counts, examples = audit(search, metadata)
    chosen = choose_classes(counts, examples, 2)
    most = sorted(counts["pruned"].to_list())[-2:]
    assert sorted(chosen.unique(["test_set", "test_class"])["pruned"].to_list()) == most
    for (test_set, test_class), rows in chosen.group_by("test_set", "test_class"):
        by_rank = rows.sort("rank")
        assert by_rank["rank"].to_list() == list(range(len(rows)))
        assert by_rank["dataset"].to_list() == [test_set, *["pool"] * (len(rows) - 1)]
        labels = pl.read_parquet(search.test_metadata[str(test_set)])["class_name"]
        assert labels[by_rank["row"][0]] == test_class


def test_test_images_need_classes(tmp_path: Path) -> None:
    search, metadata, _ = write_files(tmp_path, seed=2)
    pl.DataFrame({"class_name": [None, "cat", "owl", "cat"]}).write_parquet(
        tmp_path / "val.parquet"
    )
    with pytest.raises(InputError, match="an image of val has no class"):
        audit(search, metadata)
