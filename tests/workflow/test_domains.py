"""Test sets of other fields: the shipped study's plan, and miniatures of each layout run whole."""

import re
from pathlib import Path

import benchmark_miniatures as miniatures
import numpy as np
import polars as pl
import pytest
import yaml
from programs import ROOT
from smoke_study import RESULTS, TEST_SETS, check_out, read_json, run
from test_reexecution import ALL, changed_study, contents, copied, planned, spelled_out
from test_reexecution import CHUNKS as POOL

from gapmatch.config import load_study
from gapmatch.config.results import Results
from gapmatch.running.errors import InputError

pytestmark = pytest.mark.workflow

STUDY = ROOT / "studies" / "domains.yaml"
PLACEHOLDER = "/path/to"
RETRIEVED = ["flickr30k", "mscoco"]
MULTILABEL = ["voc2007"]
CHUNKS = 104


def test_all_missing_paths_are_named_at_once() -> None:
    text = re.sub(r"#.*", "", STUDY.read_text(encoding="utf-8"))
    named = set(re.findall(rf"{PLACEHOLDER}/[\w./-]+", text))
    with pytest.raises(InputError) as said:
        load_study(yaml.safe_load(text), [STUDY])
    for path in named:
        assert path.removesuffix("/") in str(said.value), path


def filled_in(folder: Path) -> Path:
    """Write the study with miniatures in place of its placeholders."""
    text = re.sub(r"#.*", "", STUDY.read_text(encoding="utf-8"))
    values = yaml.safe_load(text.replace(PLACEHOLDER, str(folder / "data")))
    shards = Path(values["pool"]["source"]["shards"])
    shards.parent.mkdir(parents=True)
    (shards.parent / "00000.tar").touch()
    for name, one in {"reference": values["reference"], **values["test_sets"]}.items():
        source = one["source"]
        root = Path(source["root"])
        if source["kind"] == "domainnet":
            miniatures.domainnet(root, source["domain"])
        elif name in RETRIEVED:
            miniatures.retrieval(root)
        elif name in MULTILABEL:
            miniatures.multilabel(root)
        elif source["kind"] == "clip_benchmark":
            miniatures.clip_benchmark(root)
        else:
            root.mkdir(parents=True)
    study = folder / "domains.yaml"
    study.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return study


def test_plan(tmp_path: Path) -> None:
    study = filled_in(tmp_path)
    loaded = load_study(yaml.safe_load(study.read_text(encoding="utf-8")), [study])
    results = Results(loaded)
    tests = len(results.test_sets)
    assert results.retrieved == RETRIEVED
    assert results.multilabel == MULTILABEL
    assert results.per_class == ["aircraft", "flowers", "pets"]
    said = run(
        check_out(tmp_path / "checkout"),
        *("--dry-run", "--workflow-profile", "profiles/laion400m"),
        study=study,
    )
    table = said.partition("Job stats:")[2].partition("\n\n")[0]
    jobs = {rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
    matched = tests + 2  # each, all, both of retrieval
    subsets = matched + 2 + 2  # the whole pool, none of it; two at random
    assert tests >= 12
    expected = {
        "ingest_shards": CHUNKS,
        "ingest_imagenet": 4 + 1,
        "ingest_domainnet": 2,
        "ingest_clip_benchmark": tests - 3,
        "embed_chunk": CHUNKS + 4 + tests + CHUNKS,  # one embedder of all; one of the pool
        "search_reference": tests,
        "search_pool": tests * CHUNKS,
        "select_subset": subsets,
        "certify_subset": matched + 1,
        "measure_subset": subsets,
        "train_clip": subsets,
        "evaluate_zero_shot": subsets * (tests - len(RETRIEVED)),
        "evaluate_retrieval": subsets * len(RETRIEVED),
        "table_retrieval": 1,
        "table_retrieval_cost": 1,
        "figure_retrieval_cost": 1,
        "figure_transfer_matrix": 1,
        "choose_trials": 1,
        "write_human_check": 1,
    }
    assert {rule: jobs[rule] for rule in expected} == expected
    assert "embed_trials" not in jobs, "without responses there is nothing to compare"


MADE = "{crops,voc,flickr,drawings}"
CLASSES = "{crops,voc,drawings}"
PRUNED = "{crops_pruned,flickr_pruned}"
JOBS = f"""
    ingest_clip_benchmark/{{crops,voc,flickr}}/00000 ingest_domainnet/drawings/00000
    embed_chunk/trained/{MADE}/00000 search_reference/trained/{MADE}
    search_pool/trained/{MADE}/{POOL} merge_neighbours/trained/{MADE}
    select_subset/{PRUNED} measure_subset/{PRUNED} table_diversity
    certify_subset/{{baseline,crops_pruned,flickr_pruned}}
    train_clip/{PRUNED}/seed0
    evaluate_zero_shot/{ALL}/seed0/{CLASSES} evaluate_retrieval/{ALL}/seed0/flickr
    evaluate_zero_shot/{PRUNED}/seed0/{{val,sketch,crops,voc,drawings}}
    evaluate_retrieval/{PRUNED}/seed0/flickr
    table_{{accuracy,accuracy_by_similarity,differences,duplicates,embedders,profile,pruned}}
    table_{{retrieval,retrieval_cost,similarity_gap,similarity_pruned,subsets,table1}}
    table_audit/crops_pruned figure_audit/crops_pruned
    table_neighbours/{MADE} figure_neighbours/{MADE}
    table_sensitivity/{{crops,flickr}} figure_sensitivity/{{crops,flickr}}
    figure_{{accuracy_by_similarity,accuracy_by_size,effective_robustness,profile,pruned}}
    figure_{{retrieval_cost,similarity_gap,similarity_pruned,transfer_by_size,transfer_matrix}}
    browse_pictures/{MADE} browse_data/{{val,sketch,crops,voc,flickr,drawings}} browse
    choose_trials write_human_check write_report
"""


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> tuple[Path, Path]:
    """A copy of the finished smoke study, and it with a test set of each layout added."""
    folder = copied(checkout, tmp_path_factory.mktemp("fields"))
    made = folder / "miniatures"
    miniatures.clip_benchmark(made / "crops", labels=[0, 1, 2, 0] * 5)
    miniatures.multilabel(made / "voc")
    miniatures.retrieval(made / "flickr")
    miniatures.domainnet(made / "domainnet")
    shared = {"kind": "clip_benchmark"}
    changes = {
        "test_sets.crops": {
            "source": {**shared, "root": f"{made}/crops"},
            "metric": "mean_per_class",
        },
        "test_sets.voc": {"source": {**shared, "root": f"{made}/voc", "task": "multilabel"}},
        "test_sets.flickr": {"source": {**shared, "root": f"{made}/flickr", "task": "retrieval"}},
        "test_sets.drawings": {
            "source": {"kind": "domainnet", "root": f"{made}/domainnet", "domain": "sketch"}
        },
        "subsets.crops_pruned": {"method": "gap_match", "test_sets": ["crops"]},
        "subsets.flickr_pruned": {"method": "gap_match", "test_sets": ["flickr"]},
    }
    return folder, changed_study(changes, folder)


def test_miniatures_run_whole(miniature: tuple[Path, Path]) -> None:
    folder, study = miniature
    before = contents(folder / RESULTS)
    assert planned(folder, study=study) == spelled_out(JOBS)
    run(folder, study=study)
    assert planned(folder, study=study) == set()
    results = folder / RESULTS
    after = contents(results)
    kept = [path for path in before if path.startswith(("models/", "subsets/near_sketch/"))]
    assert kept
    assert all(after[path] == before[path] for path in kept), "nothing is trained again"

    accuracy = pl.read_csv(results / "tables/accuracy.csv")
    judged = dict(accuracy.select("test_set", "metric").unique().iter_rows())
    assert judged == {
        **dict.fromkeys([*TEST_SETS, "drawings"], "top1"),
        "crops": "mean_per_class",
        "voc": "mean_average_precision",
    }
    for row in accuracy.iter_rows(named=True):
        assert row["score"] == row[row["metric"]]
        summary = f"evaluations/{row['training_set']}/seed0/{row['test_set']}.json"
        assert row["score"] == pytest.approx(read_json(results / summary)[row["metric"]])
    retrieval = pl.read_csv(results / "tables/retrieval.csv")
    assert retrieval["training_set"].n_unique() == 6
    for row in retrieval.iter_rows(named=True):
        path = f"evaluations/{row['training_set']}/seed0/flickr.parquet"
        images = pl.read_parquet(results / path)
        ranks = {
            "image_to_text": images["caption_rank"],
            "text_to_image": images["image_ranks"].explode(),
        }[row["direction"]]
        assert row["recall"] == pytest.approx(np.mean(ranks.to_numpy() <= row["k"]))
    cost = pl.read_csv(results / "tables/retrieval_cost.csv")
    assert set(cost["training_set"]) == {"flickr_pruned"}
    assert set(cost.filter(task="classification")["test_set"]) == set(judged)
    for subset in ("crops_pruned", "flickr_pruned"):
        assert read_json(results / f"subsets/{subset}/certificate.json")["violations"] == 0
    page = (results / "report.html").read_text(encoding="utf-8")
    places = [page.index(f'id="{part}"') for part in ("answer", "table-duplicates", "certificate")]
    assert places == sorted(places), "the report begins with what test sets share"
