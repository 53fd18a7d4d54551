"""The choice of trials: balanced, seeded, and the same however the pool is cut into chunks."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_results import CHUNK_ROWS, TESTS

from gapmatch.human_check.choice import choose_trials, nearest
from gapmatch.human_check.trial_images import places, read_trials
from gapmatch.human_check.trials import (
    MAIN,
    OBVIOUS,
    OBVIOUS_TRIALS,
    REPEATED,
    TRIALS_SCHEMA,
    balanced_sides,
    choose_main,
    choose_rows,
    cycle,
    even_shares,
)


def chosen(results: Path, out: Path, **changes: object) -> pl.DataFrame:
    settings = {"study": "made", "trials": 60, "seed": 0, "test_sets": list(TESTS)} | changes
    choose_trials(
        similarity=results / "similarity/e",
        embeddings=results / "embeddings/e",
        reference_chunks=["00000"],
        out=out / "trials.parquet",
        **settings,
    )
    return read_trials(out / "trials.parquet")


@pytest.fixture(scope="module")
def embedded(results: Path) -> Path:
    """The made study, with vectors for the obvious trials."""
    generator = np.random.default_rng(3)
    for dataset in (*TESTS, "reference"):
        vectors = generator.normal(size=(sum(CHUNK_ROWS[dataset]), 8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        folder = results / "embeddings/e" / dataset / "img_emb"
        folder.mkdir(exist_ok=True)
        np.save(folder / "img_emb_00000.npy", vectors.astype(np.float16))
    return results


@pytest.fixture(scope="module")
def trials(embedded: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return chosen(embedded, tmp_path_factory.mktemp("trials"))


@pytest.mark.parametrize(
    ("total", "available", "shares"),
    [
        (10, [9, 9, 9], [4, 3, 3]),
        (10, [1, 9, 9], [1, 5, 4]),
        (10, [1, 2, 3], [1, 2, 3]),
        (1, [0, 0, 5], [0, 0, 1]),
        (0, [3], [0]),
    ],
)
def test_shares_are_even_and_topped_up(total: int, available: list[int], shares: list[int]) -> None:
    found = even_shares(total, available)
    assert sum(found) == sum(shares)
    assert sorted(found) == sorted(shares)
    assert all(one <= most for one, most in zip(found, available, strict=True))


def test_signs_and_sizes_are_balanced() -> None:
    difference = np.random.default_rng(0).normal(0.3, 1, size=4000)
    rows = choose_rows(difference, 100, np.random.default_rng(1))
    assert len(set(rows)) == 100
    for sign in (difference > 0, difference <= 0):
        mine = [row for row in rows if sign[row]]
        assert len(mine) == 50
        ranks = np.sort(np.abs(difference[sign])).searchsorted(np.abs(difference[mine]))
        groups = np.array_split(np.arange(sign.sum()), 50)
        assert all(rank in group for rank, group in zip(ranks, groups, strict=True))


def test_lacking_sign_is_topped_up_from_the_other() -> None:
    difference = np.array([0.1, 0.0, -0.1, -0.2, -0.3, -0.4])
    rows = choose_rows(difference, 4, np.random.default_rng(0))
    assert (difference[rows] > 0).sum() == 1
    assert len(rows) == 4


def test_trials_are_balanced(trials: pl.DataFrame, embedded: Path) -> None:
    assert dict(trials.schema) == TRIALS_SCHEMA
    main = trials.filter(kind=MAIN)
    assert main.height == 60
    assert Counter(main["test_set"]) == dict.fromkeys(TESTS, 20)
    for (name,), mine in main.group_by("test_set"):
        every = nearest(embedded / "similarity/e" / str(name))
        nearer = (every["pool_similarity"] > every["reference_similarity"]).sum()
        pruned = (mine["pool_similarity"] > mine["reference_similarity"]).sum()
        assert pruned == max(min(10, nearer), 20 - (len(every) - nearer))
    assert (main["left"] == "pool").sum() == 30


def test_images_are_the_nearest(trials: pl.DataFrame, embedded: Path) -> None:
    for name in TESTS:
        mine = trials.filter(kind=MAIN, test_set=name).sort("test_row")
        assert mine["test_row"].is_unique().all()
        rows = mine["test_row"].to_list()
        for side in ("pool", "reference"):
            table = pl.read_parquet(embedded / f"similarity/e/{name}/{side}_neighbours.parquet")
            expected = table.filter(pl.col("test_row").is_in(rows), rank=1).sort("test_row")
            for column in ("chunk", "row", "similarity"):
                assert mine[f"{side}_{column}"].to_list() == expected[column].to_list()


def test_a_tenth_is_repeated_half_a_cycle_away_with_sides_swapped(trials: pl.DataFrame) -> None:
    repeated = trials.with_row_index().filter(kind=REPEATED)
    assert repeated.height == 6
    first = trials.with_row_index().filter(kind=MAIN)
    both = repeated.join(first, left_on="repeats", right_on="trial", suffix="_first")
    assert both.height == 6
    assert (both["left"] != both["left_first"]).all()
    for column in ("test_row", "pool_chunk", "pool_row", "reference_row", "test_set"):
        assert both[column].to_list() == both[f"{column}_first"].to_list()
    away = (both["index"].cast(pl.Int64) - both["index_first"].cast(pl.Int64)).abs()
    assert set(away) <= {len(trials) // 2, -(-len(trials) // 2)}


def test_obvious_trials_show_the_test_image_and_an_unlike_one(
    trials: pl.DataFrame, embedded: Path
) -> None:
    obvious = trials.filter(kind=OBVIOUS)
    assert obvious.height == OBVIOUS_TRIALS
    assert set(obvious["left"]) == {"test", "reference"}
    assert (obvious["left"] == "test").sum() == OBVIOUS_TRIALS // 2
    assert set(places(obvious)["part"]) == {"test", "reference"}
    metadata = "embeddings/e/{}/metadata/metadata_00000.parquet"
    reference = pl.read_parquet(embedded / metadata.format("reference"))["class_name"]
    for row in obvious.iter_rows(named=True):
        tests = pl.read_parquet(embedded / metadata.format(row["test_set"]))["class_name"]
        assert reference[row["reference_row"]] != tests[row["test_row"]]
        assert row["reference_similarity"] < 0


def test_names_tell_trials_of_another_seed_or_study(
    trials: pl.DataFrame, embedded: Path, tmp_path: Path
) -> None:
    assert chosen(embedded, tmp_path).equals(trials)
    assert chosen(embedded, tmp_path, test_sets=list(reversed(TESTS))).equals(trials)
    others = [
        chosen(embedded, tmp_path, **changes)
        for changes in ({"seed": 1}, {"study": "other"}, {"trials": 59})
    ]
    assert all(set(one["trial"]).isdisjoint(trials["trial"]) for one in others)
    assert others[1].drop("trial", "repeats").equals(trials.drop("trial", "repeats"))


@pytest.mark.parametrize("chunks", [1, 3, 7])
def test_chunks_of_the_pool_change_no_choice(chunks: int, embedded: Path) -> None:
    before = {name: nearest(embedded / "similarity/e" / name) for name in TESTS}
    cut = {
        name: table.with_columns(
            (pl.col("pool_row") % chunks).cast(pl.String).alias("pool_chunk"),
            pl.col("pool_row") // chunks,
        ).reverse()
        for name, table in before.items()
    }
    columns = ["test_set", "test_row", "reference_row", "pool_similarity"]
    expected = choose_main(before, 50, 0).select(columns)
    assert choose_main(cut, 50, 0).select(columns).equals(expected)


@pytest.mark.parametrize("main", [1, 2, 7, 200])
@pytest.mark.parametrize("others", [0, 12, 13])
def test_every_trial_is_on_the_cycle(main: int, others: int) -> None:
    repeated = round(0.1 * main)
    order, again = cycle(main, others, repeated, np.random.default_rng(0))
    assert again.sum() == repeated
    assert sorted(order[~again]) == list(range(main + others))
    assert set(order[again]) <= set(range(main))
    assert len(set(order[again])) == repeated


def test_sides_are_balanced_and_seeded() -> None:
    sides = [balanced_sides(101, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert all(abs(one.sum() - 50.5) < 1 for one in sides)
    assert (sides[0] == sides[1]).all()
    assert (sides[0] != sides[2]).any()
