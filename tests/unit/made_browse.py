"""Make the page of neighbours of a made study by the programs that the rules run."""

from pathlib import Path

from made_results import SEEDS, SUBSETS, TESTS
from programs import ROOT, run_here

IMAGES, NEIGHBOURS = 30, 3
MODELS = [f"{name}/seed{seed}" for name in SUBSETS for seed in SEEDS.get(name, (0,))]


def files_of(results: Path, dataset: str, name: str) -> list[object]:
    chunks = sorted(results.glob(f"data/{dataset}/*/chunk.json"))
    metadata = sorted(results.glob(f"embeddings/e/{dataset}/metadata/*.parquet"))
    return [f"--{name}-chunks", *chunks, f"--{name}-metadata", *metadata]


def make_pictures(results: Path, test_set: str, images: int = IMAGES) -> Path:
    """Run browse_pictures.py; return the stem of what it wrote."""
    out = results / "browse" / "data" / test_set
    similarity = results / "similarity/e" / test_set
    run_here(
        "browse_pictures",
        *files_of(results, test_set, "test"),
        *files_of(results, "pool", "pool"),
        *files_of(results, "reference", "reference"),
        *("--pool-neighbours", similarity / "pool_neighbours.parquet"),
        *("--reference-neighbours", similarity / "reference_neighbours.parquet"),
        *("--images", images, "--neighbours", NEIGHBOURS, "--seed", 0),
        *("--sheets-folder", out, "--out", f"{out}.parquet"),
    )
    return out


def make_data(results: Path, test_set: str) -> Path:
    """Run browse_data.py; return the script that it wrote."""
    stem = results / "browse" / "data" / test_set
    run_here(
        "browse_data",
        *("--pictures", f"{stem}.parquet"),
        *("--chunk", results / "data" / test_set / "00000/chunk.json"),
        "--reference-neighbours",
        results / "similarity/e" / test_set / "reference_neighbours.parquet",
        *("--ranks", 1, 3, "--subsets", results / "subsets", "--subset-names", *SUBSETS),
        *("--baseline", "baseline"),
        *("--evaluations", results / "evaluations", "--models", *MODELS),
        *("--test-set", test_set, "--out", f"{stem}.js"),
    )
    return stem.with_name(f"{test_set}.js")


def make_browse(results: Path) -> Path:
    """Run all three programs for all test sets; return the page."""
    for test_set in TESTS:
        make_pictures(results, test_set)
        make_data(results, test_set)
    page = results / "browse" / "index.html"
    run_here(
        "browse",
        *(
            "--study",
            "made",
            "--summaries",
            *(results / f"subsets/{s}/summary.json" for s in SUBSETS),
        ),
        *("--ranks", 1, 3, "--test-sets", *TESTS, "--embedder", "e", "--neighbours", NEIGHBOURS),
        *("--credit", "", "--resources", ROOT / "resources/browse", "--out", page),
    )
    return page
