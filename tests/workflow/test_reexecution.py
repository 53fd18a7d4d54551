"""What a change runs again, job by job, on the completed smoke study."""

import hashlib
import os
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from programs import ROOT
from smoke_study import NOTHING, RESULTS, STUDY, check_out, run

from gapmatch.config.compute import Compute

pytestmark = pytest.mark.workflow

REMOVED = object()

# A job is named as its log is: by its rule, then its wildcards. Braces hold alternatives.
ALL = "{baseline,reference_only,sketch_pruned,near_sketch}"
TESTS = "{val,sketch}"
CHUNKS = "{00000,00001}"
V2 = {"source": {"kind": "emoji", "part": "v2"}}
# Where accuracies are shown, and where subsets are shown.
OF_ALL_MODELS = """
    table_accuracy table_differences table_table1
    figure_accuracy_by_size figure_effective_robustness write_report
"""
# Drawn where a near- or far-pruned subset is steered by some of the test sets but not by all.
TRANSFER = "figure_transfer_by_size"
BINNED = "table_accuracy_by_similarity figure_accuracy_by_similarity"
ACCURACY = f"{OF_ALL_MODELS} {TRANSFER} {BINNED}"
PRUNED = "table_pruned figure_pruned"
SIMILARITY = """
    table_similarity_pruned figure_similarity_pruned table_profile figure_profile
"""
# Of the whole pool alone.
GAP = "table_similarity_gap figure_similarity_gap table_duplicates"
AUDIT = "table_audit/sketch_pruned figure_audit/sketch_pruned"
BROWSED = f"browse_data/{TESTS} browse"
EXAMPLES = f"table_neighbours/{TESTS} figure_neighbours/{TESTS}"
NEIGHBOURS = f"{EXAMPLES} browse_pictures/{TESTS} {BROWSED}"
HUMAN_CHECK = "choose_trials write_human_check"
SENSITIVITY = "table_sensitivity/sketch figure_sensitivity/sketch"
OF_SUBSETS = f"{PRUNED} table_subsets table_diversity figure_profile"
SHOWN = f"{ACCURACY} {OF_SUBSETS} {BROWSED}"
# Where a subset that is neither pruned for a test set nor the whole pool is shown.
ELSE_SHOWN = f"""
    {OF_ALL_MODELS} {TRANSFER} figure_accuracy_by_similarity {OF_SUBSETS} {BROWSED}
"""
# What becomes of the subset sketch_pruned; near_sketch takes its size.
SKETCH_PRUNED = f"""
    select_subset/{{sketch_pruned,near_sketch}} measure_subset/{{sketch_pruned,near_sketch}}
    certify_subset/sketch_pruned
    train_clip/{{sketch_pruned,near_sketch}}/seed0
    evaluate_zero_shot/{{sketch_pruned,near_sketch}}/seed0/{TESTS}
    {SHOWN} {SIMILARITY}
"""
MARGINS = f"""
    search_pool/trained/{TESTS}/{CHUNKS} merge_neighbours/trained/{TESTS} {NEIGHBOURS}
    {SKETCH_PRUNED} {AUDIT} {HUMAN_CHECK}
"""
TRAINED = f"""
    train_clip/{ALL}/seed0 evaluate_zero_shot/{ALL}/seed0/{TESTS} {ACCURACY} {BROWSED}
"""
SELECTED = f"""
    select_subset/{ALL} measure_subset/{ALL} certify_subset/{{baseline,sketch_pruned}}
    {TRAINED} {SHOWN}
    {SIMILARITY} {SENSITIVITY} {AUDIT} {GAP}
"""
EMBEDDED = f"""
    embed_chunk/trained/pool/{CHUNKS} embed_chunk/trained/{{reference,val,sketch}}/00000
    cluster_embeddings/deduplication assign_clusters/deduplication/{CHUNKS}
    drop_duplicates/0 collect_duplicates
    search_reference/trained/{TESTS} table_embedders {MARGINS} {SELECTED}
"""
NEW_TEST_SET = f"""
    render_emoji/v2 ingest_imagefolder/v2/00000 embed_chunk/trained/v2/00000
    search_reference/trained/v2 search_pool/trained/v2/{CHUNKS} merge_neighbours/trained/v2
    certify_subset/baseline evaluate_zero_shot/{ALL}/seed0/v2
    {ACCURACY} {PRUNED} {SIMILARITY} table_neighbours/v2 figure_neighbours/v2 {GAP}
    table_embedders browse_pictures/v2 browse_data/v2 browse {HUMAN_CHECK}
"""


def spelled_out(text: str) -> set[str]:
    """Return the words of a text; {a,b} stands for a and b, as in a shell."""
    words: set[str] = set()
    for word in text.split():
        if braces := re.search(r"\{([^{}]*)\}", word):
            head, tail = word[: braces.start()], word[braces.end() :]
            words |= spelled_out(" ".join(f"{head}{one}{tail}" for one in braces[1].split(",")))
        else:
            words.add(word)
    return words


def planned(folder: Path, *arguments: object, study: Path | str = STUDY) -> set[str]:
    """Return the jobs that Snakemake would run, each one that its table counts."""
    said = run(folder, "--dry-run", "--printshellcmds", *arguments, study=study)
    if NOTHING in said:
        return set()
    jobs = re.findall(rf"> {RESULTS}/logs/(\S+)\.log 2>&1$", said, re.M)
    table = said.partition("Job stats:")[2].partition("\n\n")[0]
    counts = {rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
    assert counts.pop("total") == counts.pop("all") + len(jobs)
    assert counts == Counter(job.partition("/")[0] for job in jobs)
    assert len(jobs) == len(set(jobs))
    return set(jobs)


def smoke_study() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / STUDY).read_text(encoding="utf-8"))
    return values


def changed_study(changes: dict[str, Any], folder: Path) -> Path:
    """Write the smoke study with some keys set to other values or removed."""
    values = smoke_study()
    for key, value in changes.items():
        section = values
        *path, last = key.split(".")
        for part in path:
            section = section.setdefault(part, {})
        if value is REMOVED:
            del section[last]
        else:
            section[last] = value
    study = folder / "changed.yaml"
    study.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return study


def copied(checkout: Path, folder: Path) -> Path:
    """Copy the whole checkout, with its times and Snakemake's records."""
    return shutil.copytree(checkout, folder / "copy", symlinks=True)


def contents(results: Path) -> dict[str, tuple[int, str]]:
    """Return time and hash of every result but logs, benchmarks and Snakemake's marks."""
    return {
        str(path.relative_to(results)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in results.rglob("*")
        if path.is_file()
        and path.relative_to(results).parts[0] not in {"logs", "benchmarks"}
        and path.name != ".snakemake_timestamp"
    }


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "subsets of all methods added": (
        {
            "subsets.matched": {"method": "gap_match", "test_sets": "all", "rank": 3},
            "subsets.near": {"method": "near", "test_sets": ["val"], "keep": 0.5},
            "subsets.far": {"method": "far", "test_sets": "all", "keep": "sketch_pruned"},
            "subsets.random": {"method": "random", "keep": 9},
        },
        f"""select_subset/{{matched,near,far,random}} measure_subset/{{matched,near,far,random}}
            certify_subset/matched
            train_clip/{{matched,near,far,random}}/seed0
            evaluate_zero_shot/{{matched,near,far,random}}/seed0/{TESTS} {SHOWN} {SIMILARITY}""",
    ),
    "clusters of the pool, and subsets that choose among them": (
        {
            "clusters": {"number": 6},
            "subsets.diverse": {"method": "diverse", "keep": 9, "clusters": 3},
        },
        f"""cluster_embeddings/clustering assign_clusters/clustering/{CHUNKS}
            measure_subset/{ALL} select_subset/diverse measure_subset/diverse
            train_clip/diverse/seed0 evaluate_zero_shot/diverse/seed0/{TESTS} {ELSE_SHOWN}""",
    ),
    "styles of the pool, and subsets of them": (
        {
            "styles": {"threshold": 0.6},
            "subsets.mixed": {
                "method": "style",
                "shares": {"line": 0.5, "colour": 0.5},
                "keep": 8,
            },
            "subsets.balanced": {"method": "balanced", "cap": 2},
        },
        f"""learn_styles assign_styles/{CHUNKS} table_styles
            select_subset/{{mixed,balanced}} measure_subset/{{mixed,balanced}}
            train_clip/{{mixed,balanced}}/seed0
            evaluate_zero_shot/{{mixed,balanced}}/seed0/{TESTS} figure_mixtures {ELSE_SHOWN}""",
    ),
    "method and size of a subset": (
        {"subsets.near_sketch.method": "far", "subsets.near_sketch.keep": 0.5},
        f"""select_subset/near_sketch measure_subset/near_sketch train_clip/near_sketch/seed0
            evaluate_zero_shot/near_sketch/seed0/{TESTS} {ELSE_SHOWN}""",
    ),
    "rank and offset of a subset": (
        {"subsets.sketch_pruned.rank": 3, "subsets.sketch_pruned.offset": 0.01},
        SKETCH_PRUNED,
    ),
    "test set added": ({"test_sets.v2": V2}, NEW_TEST_SET),
    "test set added and named by a subset": (
        {"test_sets.v2": V2, "subsets.sketch_pruned.test_sets": ["sketch", "v2"]},
        f"{NEW_TEST_SET} {SKETCH_PRUNED} {AUDIT}",
    ),
    "test set of retrieval added": (
        {"test_sets.captioned": {"source": {"kind": "emoji", "part": "captioned"}}},
        f"""render_emoji/captioned ingest_clip_benchmark/captioned/00000
            embed_chunk/trained/captioned/00000 search_reference/trained/captioned
            search_pool/trained/captioned/{CHUNKS} merge_neighbours/trained/captioned
            certify_subset/baseline evaluate_retrieval/{ALL}/seed0/captioned table_retrieval
            table_differences write_report {SIMILARITY} {GAP} {BINNED}
            table_neighbours/captioned figure_neighbours/captioned
            browse_pictures/captioned browse_data/captioned browse {HUMAN_CHECK}""",
    ),
    "metric of a test set": (
        {"test_sets.val.metric": "mean_per_class"},
        f"{OF_ALL_MODELS} {TRANSFER}",
    ),
    "test set removed": (
        {"test_sets.val": REMOVED, "figures.id_test_set": "sketch"},
        f"certify_subset/baseline {OF_ALL_MODELS} {BINNED} {PRUNED} {SIMILARITY}"
        f" {GAP} table_embedders browse {HUMAN_CHECK}",
    ),
    "trials of the human check": (
        {"human_check.trials": 9, "human_check.seed": 1},
        HUMAN_CHECK,
    ),
    "embedder for the human check alone": (
        {"embedders.other": {"kind": "timm", "model": "resnet18.tv_in1k"}},
        "",
    ),
    "human check removed": ({"human_check": REMOVED}, ""),
    "training settings": ({"training.lr": 0.002}, TRAINED),
    "one more seed": (
        {"training.seeds": [0, 1]},
        f"train_clip/{ALL}/seed1 evaluate_zero_shot/{ALL}/seed1/{TESTS} {ACCURACY} {BROWSED}",
    ),
    # Their values change places: Snakemake compares parameters without their names.
    "number of examples and of neighbours to show": (
        {"figures.examples": 3, "figures.neighbours": 2},
        f"{NEIGHBOURS} {AUDIT} write_report",
    ),
    "other settings of figures": (
        {"figures.id_test_set": "sketch", "figures.seed": 1},
        f"{NEIGHBOURS} {SENSITIVITY} figure_effective_robustness write_report",
    ),
    "rank added": ({"search.ranks": [1, 3, 5]}, MARGINS),
    "captions of the reference": (
        {"reference.caption": "the sign of {class}"},
        f"""ingest_imagefolder/reference/00000 embed_chunk/trained/reference/00000
            search_reference/trained/{TESTS} {MARGINS} certify_subset/baseline {TRAINED}
            {SENSITIVITY} {GAP} table_embedders""",
    ),
    "deduplication": (
        {"deduplicate.threshold": 0.98},
        f"drop_duplicates/0 collect_duplicates {SELECTED}",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_runs_what_depends_on_it(checkout: Path, change: str, tmp_path: Path) -> None:
    changes, jobs = CHANGES[change]
    assert planned(checkout, study=changed_study(changes, tmp_path)) == spelled_out(jobs)


def test_settings_of_speed_run_nothing(checkout: Path, tmp_path: Path) -> None:
    speed = {
        "device": "cpu",
        "engine": "fused",
        "embedding_batch_size": 7,
        "embedding_workers": 0,
        "search_block_rows": 99,
        "search_memory_mb": 3000,
        "download_processes": 2,
        "download_threads": 3,
        "training_gpus": 4,
        "training_workers": 2,
    }
    assert set(speed) == set(Compute.model_fields)
    study = changed_study({"compute": speed}, tmp_path)
    threads = ("--set-threads", "embed_chunk=7", "train_clip=9", "--cores", 3)
    resources = ("--set-resources", "train_clip:gpu=2", "search_pool:mem_mb=2000")
    assert planned(checkout, *threads, *resources, study=study) == set()


def test_profile_of_a_cluster_runs_nothing(checkout: Path) -> None:
    assert planned(checkout, "--profile", "slurm") == set()


def in_reverse(values: Any) -> Any:
    """Return nested sections with their keys in reverse order."""
    if not isinstance(values, dict):
        return values
    return {key: in_reverse(values[key]) for key in reversed(values)}


def test_comments_and_order_run_nothing(checkout: Path, tmp_path: Path) -> None:
    folder = copied(checkout, tmp_path)
    code = [folder / "Snakefile", *folder.glob("rules/*"), *folder.glob("workflow_scripts/**/*.py")]
    for path in code:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n# A comment.\n")
    lines = yaml.safe_dump(in_reverse(smoke_study()), sort_keys=False).splitlines()
    text = "\n\n".join(f"{line}  # A comment." for line in lines)
    (folder / STUDY).write_text(text, encoding="utf-8")
    assert planned(folder) == set()


def test_changed_files_run_what_uses_them(checkout: Path, tmp_path: Path) -> None:
    folder = copied(checkout, tmp_path)
    models = folder / "resources" / "models"
    shutil.copytree(models / "emoji-resnet", models / "other")
    # A study whose embedder and models have definitions of their own, taken for completed.
    study = changed_study({"training.model": "local-dir:resources/models/other"}, tmp_path)
    run(folder, "--touch", study=study)
    for path in models.rglob("*.json"):
        path.touch()  # as git does when it checks out another version and this one again
    assert planned(folder, study=study) == set()
    for name, jobs in (("other", TRAINED), ("emoji-resnet", f"train_embedder/trained {EMBEDDED}")):
        definition = models / name / "open_clip_config.json"
        text = definition.read_text(encoding="utf-8")
        definition.write_text(text + " ", encoding="utf-8")
        assert planned(folder, study=study) == spelled_out(jobs), name
        definition.write_text(text, encoding="utf-8")


def test_chunk_made_again_runs_what_follows(checkout: Path, tmp_path: Path) -> None:
    # By --forcerun, say, and killed before the rest followed: only the chunk's time tells.
    folder = copied(checkout, tmp_path)
    (folder / RESULTS / "data" / "sketch" / "00000" / ".snakemake_timestamp").touch()
    assert planned(folder) == spelled_out(
        f"""embed_chunk/trained/sketch/00000 search_reference/trained/sketch
            search_pool/trained/sketch/{CHUNKS} merge_neighbours/trained/sketch
            certify_subset/baseline evaluate_zero_shot/{ALL}/seed0/sketch {SKETCH_PRUNED}
            {GAP} table_embedders {AUDIT} {SENSITIVITY}
            table_neighbours/sketch figure_neighbours/sketch browse_pictures/sketch {HUMAN_CHECK}"""
    )


def cloned(folder: Path) -> Path:
    """Check out anew: every file is younger than any result."""
    check_out(folder)
    for path in folder.rglob("*"):
        path.touch()
    return folder


def test_results_copied_with_their_times_run_nothing(checkout: Path, tmp_path: Path) -> None:
    folder = cloned(tmp_path / "clone")
    for name in ("results", ".snakemake"):
        shutil.copytree(checkout / name, folder / name)
    assert planned(folder) == set()


def digests(results: Path) -> dict[str, str]:
    return {path: digest for path, (_, digest) in contents(results).items()}


def test_results_copied_alone_run_nothing_once_touched(checkout: Path, tmp_path: Path) -> None:
    folder = cloned(tmp_path / "clone")
    shutil.copytree(checkout / "results", folder / "results")
    files = sorted(folder.glob("results/**/*"), key=lambda path: path.stat().st_mtime)
    for age, path in enumerate(reversed(files)):
        os.utime(path, (age, age))  # the worst case: what was made first is the youngest
    before = digests(folder / RESULTS)
    run(folder, "--touch", "--forceall")
    assert planned(folder) == set()
    # What the results were made with is on record again.
    study = changed_study({"training.lr": 0.002}, tmp_path)
    assert planned(folder, study=study) == spelled_out(TRAINED)
    assert digests(folder / RESULTS) == before


def test_change_leaves_all_else_as_it_was(checkout: Path, tmp_path: Path) -> None:
    folder = copied(checkout, tmp_path)
    before = contents(folder / RESULTS)
    changes = {
        "evaluation.templates": ["{}"],
        "figures.examples": 3,
        "subsets.sketch_pruned": REMOVED,
        "subsets.near_sketch": REMOVED,
    }
    study = changed_study(changes, tmp_path)
    models = "{baseline,reference_only}"
    assert planned(folder, study=study) == spelled_out(
        f"evaluate_zero_shot/{models}/seed0/{TESTS} {OF_ALL_MODELS} {BINNED} {PRUNED}"
        f" table_subsets table_diversity {EXAMPLES} {BROWSED}"
    )
    run(folder, study=study)
    assert planned(folder, study=study) == set()
    after = contents(folder / RESULTS)
    assert set(after) == set(before), "results of removed subsets stay, and nothing is added"
    assert {path for path in after if after[path] != before[path]} == spelled_out(
        f"""evaluations/{models}/seed0/{TESTS}.{{json,parquet}}
            tables/{{accuracy,differences,subsets,diversity,pruned,table1}}.{{csv,md,tex,json}}
            tables/accuracy_by_similarity.csv
            tables/neighbours_{TESTS}.parquet
            figures/{{accuracy_by_similarity,accuracy_by_size}}.{{png,pdf,csv}}
            figures/{{effective_robustness,pruned}}.{{png,pdf,csv}}
            figures/neighbours_{TESTS}.{{png,pdf,csv}}
            browse/data/{TESTS}.js browse/index.html browse/browse.{{js,css}}
            report.html config.json"""
    )


FIGURES = f"""
    figure_similarity_gap figure_similarity_pruned figure_profile
    figure_accuracy_by_similarity figure_accuracy_by_size
    figure_transfer_by_size figure_effective_robustness figure_pruned figure_audit/sketch_pruned
    figure_sensitivity/sketch figure_neighbours/{TESTS}
"""


def planned_figures(folder: Path) -> set[str]:
    """Return the jobs that Snakemake would run for all figures."""
    said = run(folder, "figures", "--dry-run", "--printshellcmds")
    return set(re.findall(rf"> {RESULTS}/logs/(\S+)\.log 2>&1$", said, re.M))


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_figures_are_drawn_from_tables_alone(
    checkout: Path, elsewhere: bool, tmp_path: Path
) -> None:
    if elsewhere:
        folder = cloned(tmp_path / "clone")
        tables = shutil.copytree(checkout / RESULTS / "tables", folder / RESULTS / "tables")
        for path in tables.iterdir():
            path.touch()  # as docs/scale.md says: else they are older than the checkout's files
    else:
        folder = copied(checkout, tmp_path)
        for path in (folder / RESULTS).iterdir():
            if path.is_dir() and path.name != "tables":
                shutil.rmtree(path)
    assert planned_figures(folder) == spelled_out(FIGURES)
    run(folder, "figures")
    assert digests(folder / RESULTS / "figures") == digests(checkout / RESULTS / "figures")
    targets = ("tables", "table1", *[f"fig{number}" for number in range(1, 8)])
    assert NOTHING in run(folder, *targets, "--dry-run")


def test_results_without_a_record_are_named(checkout: Path, tmp_path: Path) -> None:
    folder = copied(checkout, tmp_path)
    model = sorted((folder / RESULTS / "models" / "baseline" / "seed0").iterdir())
    again = (f"{RESULTS}/tables/accuracy.csv", "--forcerun", "table_accuracy")
    assert "not on record" not in run(folder, *again)
    run(folder, "--cleanup-metadata", *(path.relative_to(folder) for path in model))
    assert "Results of train_clip are not on record" in run(folder, *again)
    run(folder, "--touch", "--forceall")
    assert "not on record" not in run(folder, *again)
