"""From embedding files to certified subsets, through the programs."""

import json

import numpy as np
import oracle
import polars as pl
import pytest
from made_embeddings import BLOCK, SIZES, TESTS

import merge_neighbours
import search_reference
from gapmatch.running.errors import InputError
from gapmatch.subset.certificate import TOLERANCE


def test_subsets_agree_with_the_oracle_and_are_certified(make_study):
    study = make_study()
    study.search()
    v = study.vectors
    largest, nearest = [], []
    for rank in (1, 5):
        margins = []
        for name in TESTS:
            limits = oracle.thresholds(v[name], v["reference"], [rank])
            similarity, _, margin = oracle.margins(v["pool"], v[name], limits)
            margins.append(margin[0])
            nearest.append(similarity)
        largest.append(np.max(margins, axis=0))
    for subset, rank, offset in (("one", 1, 0.0), ("five", 5, 0.4), ("lower", 1, -0.02)):
        summary = study.select(
            subset, "gap_match", "--rank", rank, "--offset", offset, duplicates=False
        )
        expected = np.flatnonzero(largest[rank // 5] <= offset)
        np.testing.assert_array_equal(study.kept(subset), expected)
        assert 0 < summary["kept"] < summary["pool"] == 60
        assert sum(summary["pruned_by"].values()) == summary["pruned"]
        certificate = study.certify(subset)
        assert certificate["violations"] == 0
        assert certificate["max_excess"] <= TOLERANCE
        assert certificate["test_images"] == 19
        assert set(certificate["test_sets"]) == set(TESTS)
    assert set(range(5, 12)) <= set(study.kept("one")), "copies of the reference are kept"

    overall = np.max(nearest, axis=0).astype(np.float32)
    for method, sign in (("near", 1), ("far", -1)):
        summary = study.select(method, method, "--keep", 0.4, duplicates=False)
        expected = np.sort(np.argsort(sign * overall, kind="stable")[:24])
        np.testing.assert_array_equal(study.kept(method), expected)
        assert summary["pruned_by"] == {method: 36}
    certificate = study.certify("near")
    assert certificate["rank"] is None
    assert certificate["violations"] is None
    table = pl.read_parquet(study.root / "subsets/near/nearest.parquet")
    sketch = table.filter(pl.col("test_set") == "sketch")
    matrix = oracle.similarity_matrix(v["sketch"], v["pool"][study.kept("near")])
    np.testing.assert_allclose(sketch["pool_similarity"].to_numpy(), matrix.max(1), atol=1e-6)
    matrix = oracle.similarity_matrix(v["sketch"], v["reference"])
    np.testing.assert_allclose(sketch["reference_similarity"].to_numpy(), matrix.max(1), atol=1e-6)


def test_duplicates_leave_the_pool_and_counts_reconcile(make_study):
    study = make_study()
    study.search()
    study.deduplicate()
    found = json.loads((study.root / "deduplication/summary.json").read_text())
    tables = [
        pl.read_parquet(study.root / f"deduplication/duplicates/duplicates_{chunk}.parquet")
        for chunk in study.chunks
    ]
    whole = pl.concat(tables)
    # Rows 30..35 of the pool (10.. of chunk 2) are copies of rows 0..5 of chunk 0.
    copies = tables[2][10:16]
    assert copies["duplicate_of_chunk"].to_list() == ["00000"] * 6
    assert copies["duplicate_of_row"].to_list() == list(range(6))
    assert whole.filter("kept")["similarity"].null_count() == found["kept"]
    assert found["kept"] + found["dropped"] == found["pool"] == 60
    assert found["dropped"] >= 6
    matched = study.select("matched", "gap_match")
    for subset, method, more in (
        ("baseline", "all", ()),
        ("empty", "none", ()),
        ("random", "random", ("--keep-like", study.root / "subsets/matched/summary.json")),
    ):
        summary = study.select(subset, method, *more)
        assert summary["duplicates"] == found["dropped"]
        assert summary["pool"] == found["kept"] == summary["kept"] + summary["pruned"]
        assert len(study.kept(subset)) == summary["kept"]
    assert summary["kept"] == matched["kept"]
    assert set(study.kept("random")) <= set(study.kept("baseline"))
    study.certify("empty")
    table = pl.read_parquet(study.root / "subsets/empty/nearest.parquet")
    assert table["pool_similarity"].null_count() == len(table) == 19


def test_kept_sets_do_not_depend_on_chunks_or_engine(make_study):
    kept = []
    for sizes, engine, parts in (
        (SIZES, "fused", 1),
        ((60,), "faiss", 5),
        ((1, 29, 30), "fused", 2),
    ):
        study = make_study(sizes)
        study.search(engine)
        study.deduplicate(parts)
        study.select("matched", "gap_match", "--rank", 5, "--offset", 0.4)
        study.select("random", "random", "--keep", 20, "--seed", 7)
        study.select("far", "far", "--keep", 20)
        kept.append([study.kept(subset).tolist() for subset in ("matched", "random", "far")])
    assert kept[0] == kept[1] == kept[2]
    assert all(kept[0])


def test_equal_runs_write_equal_bytes(make_study):
    contents = []
    for _ in range(2):
        study = make_study()
        study.search()
        study.deduplicate()
        study.select("matched", "gap_match")
        study.certify("matched")
        paths = sorted(path for path in study.root.rglob("*") if path.is_file())
        contents.append({str(p.relative_to(study.root)): p.read_bytes() for p in paths})
    assert contents[0] == contents[1]


def test_a_planted_violation_is_caught(make_study):
    study = make_study()
    study.search()
    study.select("matched", "gap_match", duplicates=False)
    path = study.root / "subsets/matched/kept/kept_00002.parquet"
    table = pl.read_parquet(path)
    pruned = sorted(set(range(33)) - set(table["row"]))[0]
    extra = pl.DataFrame({"row": [pruned], "shard": ["x"], "image_path": ["y"]}, table.schema)
    pl.concat([table, extra]).sort("row").write_parquet(path)
    with pytest.raises(InputError, match="nearer kept sample than the threshold allows"):
        study.certify("matched")
    folder = path.parent.parent
    assert not (folder / "certificate.json").exists()
    assert not (folder / "nearest.parquet").exists()
    violated = json.loads((folder / "certificate.violated.json").read_text())
    assert violated["violations"] >= 1
    assert violated["max_excess"] > TOLERANCE
    assert (folder / "nearest.violated.parquet").exists()

    study.select("matched", "gap_match", duplicates=False)
    assert study.certify("matched")["violations"] == 0
    assert not list(folder.glob("*.violated.*")), "what was mended is not reported any more"


def test_one_pass_certifies_all_subsets_that_are_due(make_study, caplog):
    contents = []
    for shared in (False, True):
        study = make_study()
        study.search()
        study.select("first", "gap_match", duplicates=False)
        study.select("second", "gap_match", "--offset", 0.1, duplicates=False)
        study.select("all", "all", duplicates=False)
        names = ["first", "second", "all"]
        also = [*names, "not_selected"] if shared else []
        caplog.clear()
        caplog.set_level("INFO")
        study.certify("first", also)
        state = study.root / "state/certify_subset"
        assert len(list(state.glob("*"))) == (3 if shared else 0)  # two answers and the lock
        if shared:
            assert "this pass also computes the results of other jobs: second, all" in caplog.text
        for name in names[1:]:
            study.certify(name, also)
        fetched = "fetching the result, which another job has computed: first on"
        assert caplog.text.count(fetched) == (2 if shared else 0)
        assert not state.exists()
        found = [
            path for name in names for path in sorted((study.root / "subsets" / name).iterdir())
        ]
        contents.append({p.relative_to(study.root): p.read_bytes() for p in found if p.is_file()})
    assert len(contents[0]) == 12
    assert contents[0] == contents[1]


def test_what_is_wrong_with_a_subset_stops_its_own_job_alone(make_study, caplog):
    study = make_study()
    study.search()
    for name in ("good", "bad"):
        study.select(name, "gap_match", duplicates=False)
    folder = study.root / "subsets/bad"
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"offset": -0.5}))
    study.select("odd", "gap_match", "--rank", 5, duplicates=False)
    odd = study.root / "subsets/odd/summary.json"
    odd.write_text(json.dumps(json.loads(odd.read_text()) | {"rank": 16}))  # of 15 images
    study.select("damaged", "gap_match", duplicates=False)
    kept = study.root / "subsets/damaged/kept/kept_00002.parquet"
    kept.write_text("404")
    study.certify("good", ["good", "damaged", "bad", "odd"])
    assert "damaged is left to its own job: " in caplog.text
    assert not list(folder.glob("*.parquet")), "what another job found is published by its own"
    with pytest.raises(InputError, match=r"bad: .* nearer kept sample than the threshold allows"):
        study.certify("bad", ["good", "bad"])
    assert sorted(path.name for path in folder.glob("*.*")) == [
        "certificate.violated.json",
        "nearest.violated.parquet",
        "profile.violated.parquet",
        "summary.json",
    ]
    assert not (study.root / "state/certify_subset").exists()
    with pytest.raises(InputError, match=r"kept_00002\.parquet"):
        study.certify("damaged")
    kept.unlink()
    with pytest.raises(InputError, match=r"kept_00002\.parquet: not found"):
        study.certify("damaged")
    with pytest.raises(InputError, match="too few to match rank 16; lower the rank of odd"):
        study.certify("odd", ["good", "bad", "odd"])


def test_samples_pruned_by_several_test_sets_count_once_for_the_first(make_study):
    study = make_study()
    study.search()
    for path in (study.root / "similarity/sketch/margins").iterdir():
        (study.root / "similarity/val/margins" / path.name).write_bytes(path.read_bytes())
    summary = study.select("matched", "gap_match", duplicates=False)
    assert summary["pruned_by"] == {"sketch": summary["pruned"], "val": 0}
    assert summary["pruned"] > 0


def test_pool_neighbours_are_merged_over_chunks(make_study):
    study = make_study()
    study.search()
    folder = study.root / "similarity/val/pool_neighbours"
    outputs = [folder / f"pool_neighbours_{chunk}.parquet" for chunk in study.chunks]
    merged = study.root / "pool_neighbours.parquet"
    study.run(merge_neighbours, "--neighbours", *outputs, "--k", 8, "--out", merged)
    table = pl.read_parquet(merged)
    similarity, row = oracle.neighbours(study.vectors["val"], study.vectors["pool"], 8)
    starts = np.cumsum([0, *SIZES])
    found = starts[table["chunk"].cast(pl.Int32).to_numpy()] + table["row"].to_numpy()
    np.testing.assert_array_equal(found, row.ravel())
    np.testing.assert_array_equal(table["similarity"].to_numpy(), similarity.ravel())


def test_bad_requests_are_input_errors(make_study):
    study = make_study()
    with pytest.raises(InputError, match=r"search\.reference_neighbours is 16"):
        study.run(
            search_reference,
            *("--tests", study.tests("val"), "--reference", study.root / "embeddings/reference"),
            *("--chunks", "00000", "00001", "--k", 16, *BLOCK, "--out", study.root / "x.parquet"),
        )
    with pytest.raises(InputError, match=r"subsets\.much\.keep asks for 61"):
        study.select("much", "random", "--keep", 61, duplicates=False)
    with pytest.raises(InputError, match=r"margins_00000\.parquet: expected a parquet"):
        study.select("matched", "gap_match", duplicates=False)
    with pytest.raises(InputError, match="expected one of --keep and --keep-like"):
        study.select("near", "near", duplicates=False)
    study.search()
    with pytest.raises(InputError, match="with the columns margin_rank_3"):
        study.select("matched", "gap_match", "--rank", 3, duplicates=False)
    other = study.root / "similarity/val/margins"
    (other / "margins_00000.parquet").write_bytes((other / "margins_00002.parquet").read_bytes())
    with pytest.raises(InputError, match="has 33 rows but the embeddings of its chunk have 20"):
        study.select("matched", "gap_match", duplicates=False)
