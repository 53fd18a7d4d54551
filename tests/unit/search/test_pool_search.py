"""Searching a chunk for several test sets in one pass: the files of one search after the other."""

from dataclasses import replace

import numpy as np
import oracle
import polars as pl
import pytest

from gapmatch.data.embedding_files import embedding_path
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError
from gapmatch.search import pool_search
from gapmatch.search.pool_search import Search, search_chunk
from gapmatch.search.search_tables import neighbours_table
from gapmatch.similarity.engine import find_neighbours
from gapmatch.similarity.engines import EngineSettings, make_engine

ENGINE = EngineSettings(engine="fused", device="cpu", threads=1)
RANKS = [1, 3]
TEST_SETS = {"val": 20, "v2": 1, "sketch": 35}


@pytest.fixture
def study(tmp_path):
    """A pool chunk, and the searches of three test sets."""
    rng = np.random.default_rng(0)
    pool = embedding_path(tmp_path / "pool", "00000")
    reference = oracle.unit_vectors(rng, 30, 16)
    files = {pool: oracle.unit_vectors(rng, 200, 16)}
    searches = {}
    for name, number in TEST_SETS.items():
        tests = embedding_path(tmp_path / name, "00000")
        files[tests] = oracle.unit_vectors(rng, number, 16)
        nearest = find_neighbours(make_engine("fused", "cpu", 1, 4096), files[tests], reference, 3)
        out = tmp_path / "similarity" / name
        for folder in (out / "margins", out / "pool_neighbours"):
            folder.mkdir(parents=True)
        write_parquet(out / "reference.parquet", neighbours_table(nearest, "00000"))
        searches[name] = Search(
            tests,
            out / "reference.parquet",
            out / "margins/margins.parquet",
            out / "pool_neighbours/neighbours.parquet",
        )
    assert searches["val"].of("v2") == searches["v2"]
    for path, vectors in files.items():
        path.parent.mkdir(parents=True)
        np.save(path, vectors)
    return pool, searches


def run(pool, own, searches, state):
    search_chunk(pool, "00000", own, list(searches.values()), RANKS, 5, ENGINE, state)


def contents(one):
    return one.margins.read_bytes(), one.neighbours.read_bytes()


@pytest.mark.parametrize("gpu", [True, False])
def test_files_are_those_of_one_search_after_the_other(study, gpu, tmp_path, monkeypatch):
    pool, searches = study
    alone = {}
    for name, one in searches.items():
        other = replace(
            one, margins=tmp_path / f"{name}.margins", neighbours=tmp_path / f"{name}.neighbours"
        )
        run(pool, other, {}, None)
        alone[name] = contents(other)

    passes = []
    search = pool_search._search

    def counted(*arguments):
        passes.append(len(arguments[2]))
        search(*arguments)

    monkeypatch.setattr(pool_search, "_search", counted)
    monkeypatch.setattr(EngineSettings, "on_gpu", lambda _: gpu)
    for name in ("v2", "val", "sketch"):
        run(pool, searches[name], searches, tmp_path / "state")
        assert contents(searches[name]) == alone[name]
    assert passes == ([3] if gpu else [1, 1, 1])
    assert not (tmp_path / "state").exists()


def test_what_is_wrong_with_a_test_set_stops_its_own_job_alone(
    study, tmp_path, monkeypatch, caplog
):
    pool, searches = study
    monkeypatch.setattr(EngineSettings, "on_gpu", lambda _: True)
    wrong = searches["v2"].reference_neighbours
    pl.read_parquet(wrong).filter(pl.col("rank") < 3).write_parquet(wrong)
    run(pool, searches["val"], searches, tmp_path / "state")
    assert "searching for val alone, because of: " in caplog.text
    assert searches["val"].margins.exists()
    with pytest.raises(InputError, match="holds no rank 3"):
        run(pool, searches["v2"], searches, tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_further_test_set_is_searched_alone(study, tmp_path, monkeypatch):
    pool, searches = study
    monkeypatch.setattr(EngineSettings, "on_gpu", lambda _: True)
    first = {name: searches[name] for name in ("val", "v2")}
    for one in first.values():
        run(pool, one, first, tmp_path / "state")
    before = {name: (contents(one), one.margins.stat()) for name, one in first.items()}
    run(pool, searches["sketch"], searches, tmp_path / "state")
    assert not (tmp_path / "state").exists()
    for name, one in first.items():
        assert (contents(one), one.margins.stat().st_mtime_ns) == (
            before[name][0],
            before[name][1].st_mtime_ns,
        )
