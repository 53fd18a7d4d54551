"""Subsets of method diverse against a plain computation on the clusters."""

import json

import numpy as np
import polars as pl
import pytest
from made_embeddings import SIZES

from gapmatch.running.errors import InputError


def options(study, clusters, keep, seed=0):
    """Return the method's options."""
    return (
        *("--assigned", study.root / "clustering/clusters"),
        *("--clusters", clusters, "--keep", keep, "--seed", seed),
    )


def assigned(study):
    """Return the cluster of every pool sample."""
    folder = study.root / "clustering/clusters"
    parts = [pl.read_parquet(folder / f"clusters_{chunk}.parquet") for chunk in study.chunks]
    return pl.concat(parts)["cluster"].to_numpy()


@pytest.mark.parametrize(("clusters", "keep", "seed"), [(4, 16, 0), (8, 16, 0), (3, 17, 1)])
def test_samples_come_evenly_from_some_clusters(make_study, clusters, keep, seed):
    study = make_study()
    study.cluster("clustering", 8)
    summary = study.select(
        "some", "diverse", *options(study, clusters, keep, seed), duplicates=False
    )
    found, kept = assigned(study), study.kept("some")
    assert len(kept) == summary["kept"] == keep
    sizes = np.bincount(found, minlength=8)
    chosen = np.random.default_rng(seed).permutation(8)[:clusters]
    assert set(found[kept]) <= set(chosen.tolist())
    shares = np.bincount(found[kept], minlength=8)
    # Even: who has fewer than another by more than one has all that it holds.
    for one in chosen:
        assert shares[one] >= shares.max() - 1 or shares[one] == sizes[one]
    even = -(-keep // clusters)
    assert summary["too_small"] == (sizes[chosen] < even).sum()
    assert summary["largest_share"] == shares.max()
    outside = ~np.isin(found, chosen)
    assert summary["pruned_by"] == {
        "other_clusters": outside.sum(),
        "diverse": 60 - keep - outside.sum(),
    }
    for cluster in chosen:
        places = np.flatnonzero(found == cluster)
        order = np.random.default_rng([seed, cluster]).permutation(len(places))
        expected = np.sort(places[order[: shares[cluster]]])
        np.testing.assert_array_equal(kept[found[kept] == cluster], expected)


def test_the_subset_does_not_depend_on_chunks(make_study):
    kept = []
    for sizes in (SIZES, (60,), (1, 29, 30)):
        study = make_study(sizes)
        study.cluster("clustering", 8)
        study.deduplicate()
        study.select("some", "diverse", *options(study, 5, 18))
        kept.append(study.kept("some").tolist())
    assert kept[0] == kept[1] == kept[2]


def test_clusters_of_a_smaller_number_are_among_those_of_a_larger_one(make_study):
    study = make_study()
    study.cluster("clustering", 8)
    of = {}
    for clusters in (2, 5):
        study.select(f"of{clusters}", "diverse", *options(study, clusters, 10), duplicates=False)
        of[clusters] = set(assigned(study)[study.kept(f"of{clusters}")].tolist())
    assert of[2] < of[5]


def test_what_the_clusters_do_not_hold_is_refused(make_study):
    study = make_study()
    study.cluster("clustering", 8)
    with pytest.raises(InputError, match=r"subsets\.some\.keep asks for 50 samples, but the 2 "):
        study.select("some", "diverse", *options(study, 2, 50), duplicates=False)
    folder = study.root / "clustering"
    np.save(folder / "centroids.npy", np.zeros((20, 6), np.float32))
    with pytest.raises(InputError, match=r"subsets\.some\.clusters asks for 12, but only 8 of "):
        study.select("some", "diverse", *options(study, 12, 20), duplicates=False)
    with pytest.raises(InputError, match="for 5 samples from 8 clusters, but one from each"):
        study.select("some", "diverse", *options(study, 8, 5), duplicates=False)
    assert not (study.root / "subsets/some/summary.json").exists()
    np.save(folder / "centroids.npy", np.zeros((5, 6), np.float32))
    with pytest.raises(InputError, match="not each row has one of 5 clusters; it belongs to an"):
        study.select("some", "diverse", *options(study, 2, 5), duplicates=False)
    np.save(folder / "centroids.npy", np.zeros((20, 6), np.float32))
    (folder / "clusters/clusters_00002.parquet").unlink()
    with pytest.raises(InputError, match=r"clusters_00002\.parquet: expected a parquet file"):
        study.select("some", "diverse", *options(study, 2, 5), duplicates=False)


def test_equal_seeds_write_equal_bytes(make_study):
    contents = []
    for _ in range(2):
        study = make_study()
        study.cluster("clustering", 8)
        study.select("some", "diverse", *options(study, 5, 18), duplicates=False)
        folder = study.root / "subsets/some"
        contents.append([path.read_bytes() for path in sorted(folder.rglob("*.*"))])
    assert contents[0] == contents[1]
    assert json.loads(contents[0][-1])["settings"] == {"clusters": 5}
