"""Figures: what is drawn is what the files say; equal inputs give equal bytes."""

import io
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_results import SUBSETS, TESTS, make_results
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from gapmatch.data import decoding, shard_images
from gapmatch.data.decoding import decode_image
from gapmatch.drawing import style
from gapmatch.figures import (
    accuracy_by_similarity,
    accuracy_by_size,
    dose_response,
    effective_robustness,
    neighbours,
    profile,
    pruned,
    similarity_gap,
    similarity_pruned,
)
from gapmatch.figures import audit as audit_figure
from gapmatch.results import audit_pictures
from gapmatch.results.pictures import ImageFiles, decode_picture, with_pictures
from gapmatch.results.summaries import (
    Subset,
    baseline_of,
    read_evaluations,
    read_nearest,
    read_subsets,
)
from gapmatch.running.errors import InputError
from gapmatch.tables import accuracy_by_similarity as tables_binned
from gapmatch.tables import neighbours as tables_neighbours
from gapmatch.tables import profile as tables_profile
from gapmatch.tables import similarity_gap as tables_gap
from gapmatch.tables import similarity_pruned as tables_pruned
from gapmatch.tables.accuracy import accuracy_table
from gapmatch.tables.subsets import TrainingSet, subset_table, training_sets


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def subsets(results: Path) -> list[Subset]:
    return read_subsets([results / f"subsets/{name}/summary.json" for name in SUBSETS])


@pytest.fixture(scope="module")
def sets(subsets: list[Subset]) -> list[TrainingSet]:
    return training_sets(subset_table(subsets, {}, 70, {}))


@pytest.fixture(scope="module")
def accuracy(results: Path) -> pl.DataFrame:
    paths = [path for name in SUBSETS for path in results.glob(f"evaluations/{name}/*/*.json")]
    return accuracy_table(read_evaluations(paths))


def texts(figure: Figure) -> str:
    return " ".join(panel.get_title() for panel in figure.axes)


def test_equal_figures_are_equal_bytes(
    accuracy: pl.DataFrame, sets: list[TrainingSet], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        frame = accuracy_by_size.accuracy_by_size(accuracy, sets, steered=True)
        figure = accuracy_by_size.draw(frame, style.palette(sets))
        style.save(figure, frame, tmp_path / name / "figure")
    for suffix in ("pdf", "png", "csv"):
        first, second = (tmp_path / name / f"figure.{suffix}" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    with Image.open(tmp_path / "a/figure.png") as image:
        assert image.info["dpi"][0] == pytest.approx(150, abs=0.1)
    assert pl.read_csv(tmp_path / "a/figure.csv").equals(frame)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "figure.csv", "figure.pdf", "figure.png",
    ]  # fmt: skip


def test_every_training_set_has_its_look(sets: list[TrainingSet]) -> None:
    looks = style.palette(sets)
    methods = {subset.subset: subset.method for subset in sets}
    singles = [name for name in looks if methods[name] in ("all", "none", "gap_match")]
    assert len({looks[name] for name in singles}) == len(singles)
    assert looks["near_sketch_50"] == looks["near_sketch_25"] != looks["random_50"]
    assert (
        style.palette([s for s in sets if s.method != "near"])["sketch_pruned"]
        == (looks["sketch_pruned"])
    )


def test_similarity_gap_counts_every_test_image(results: Path) -> None:
    nearest = read_nearest(results / "subsets/baseline/nearest.parquet")
    frame = tables_gap.similarity_gap(nearest)
    for test, n in TESTS.items():
        rows = nearest.filter(pl.col("test_set") == test)
        drawn = frame.filter(pl.col("test_set") == test)
        for curve, column in (("pool before", "pool"), ("reference", "reference")):
            part = drawn.filter(pl.col("curve") == curve)
            values = rows[f"{column}_similarity"].to_numpy()
            edges = np.append(part["bin_low"].to_numpy(), part["bin_high"][-1])
            assert part["count"].to_list() == np.histogram(values, edges)[0].tolist()
            assert part["count"].sum() == n
            assert part["median"][0] == pytest.approx(np.median(values))
        nearer = (rows["pool_similarity"] > rows["reference_similarity"]).sum() / n
        assert drawn["nearer"].unique().to_list() == [pytest.approx(nearer)]
    assert "sketch  (n = 80)" in texts(similarity_gap.draw(frame))


def test_after_pruning_the_training_set_has_the_profile_of_the_reference(
    results: Path, subsets: list[Subset], tmp_path: Path
) -> None:
    matched = [subset for subset in subsets if subset.method == "gap_match"]
    names = ["baseline", *[subset.subset for subset in matched]]
    nearest = {name: read_nearest(results / f"subsets/{name}/nearest.parquet") for name in names}
    frame = tables_pruned.similarity_pruned(nearest, matched, baseline_of(subsets))
    for (_, _), rows in frame.filter("matched").group_by("subset", "test_set"):
        by_curve = {str(key[0]): part for key, part in rows.group_by("curve")}
        after = by_curve["training set after"]["count"].to_list()
        assert after == by_curve["reference"]["count"].to_list()
        assert by_curve["pool before"]["count"].sum() == sum(after)
    figure = similarity_pruned.draw(frame)
    assert "sketch_pruned\non sketch, matched" in texts(figure)
    style.save(figure, frame, tmp_path / "figure")
    nothing = tables_pruned.similarity_pruned(nearest, [], baseline_of(subsets))
    assert similarity_pruned.draw(nothing).texts


def test_a_subset_that_keeps_nothing_has_no_pool_similarity(
    results: Path, subsets: list[Subset]
) -> None:
    empty = read_nearest(results / "subsets/reference_only/nearest.parquet")
    whole = read_nearest(results / "subsets/baseline/nearest.parquet")
    nearest = {"baseline": whole, "sketch_pruned": empty}
    sketch = [subset for subset in subsets if subset.subset == "sketch_pruned"]
    frame = tables_pruned.similarity_pruned(nearest, sketch, baseline_of(subsets))
    after = frame.filter(pl.col("curve") == "pool after")
    assert after["count"].sum() == 0
    assert after["median"].is_null().all()
    similarity_pruned.draw(frame)


def test_another_embedder_is_not_compared_with_the_baseline(
    results: Path, subsets: list[Subset]
) -> None:
    other = [Subset(**{**vars(s), "embedder": "f"}) for s in subsets if s.method == "gap_match"]
    nearest = {
        name: read_nearest(results / f"subsets/{name}/nearest.parquet")
        for name in ("baseline", *[subset.subset for subset in other])
    }
    frame = tables_pruned.similarity_pruned(nearest, other, baseline_of(subsets))
    assert "pool before" not in frame["curve"].to_list()


def test_accuracy_by_similarity_bins_the_predictions(
    results: Path, sets: list[TrainingSet]
) -> None:
    paths = sorted(results.glob("evaluations/baseline/seed*/*.json"))
    nearest = read_nearest(results / "subsets/baseline/nearest.parquet")
    frame = tables_binned.accuracy_by_similarity(read_evaluations(paths), nearest, 4)
    sketch = frame.filter(pl.col("test_set") == "sketch")
    correct = np.stack(
        [
            pl.read_parquet(results / f"evaluations/baseline/seed{seed}/sketch.parquet")[
                "correct_top1"
            ].to_numpy()
            for seed in (0, 1)
        ],
        axis=1,
    )
    near = nearest.filter(pl.col("test_set") == "sketch")["pool_similarity"].to_numpy()
    assert sketch["n"].to_list() == [20] * 4
    order = np.argsort(near)
    assert sketch["accuracy"][0] == pytest.approx(correct[order[:20]].mean())
    each = [np.corrcoef(near, correct[:, seed])[0, 1] for seed in (0, 1)]
    assert sketch["pearson"][0] == pytest.approx(np.mean(each))
    figure = accuracy_by_similarity.draw(frame, style.palette(sets))
    assert f"sketch  (r = {np.mean(each):+.2f})" in texts(figure)
    with pytest.raises(InputError, match="different runs"):
        tables_binned.accuracy_by_similarity(
            read_evaluations(paths), nearest.filter(pl.col("test_row") > 3), 4
        )


def test_sizes_are_kept_samples_and_the_reference(
    accuracy: pl.DataFrame, sets: list[TrainingSet]
) -> None:
    frame = accuracy_by_size.accuracy_by_size(accuracy, sets, steered=True)
    sizes = dict(frame.select("training_set", "size").iter_rows())
    assert sizes == {one.subset: one.kept + 70 for one in sets}
    assert "near-pruned (sketch)" in frame["series"].to_list()
    figure = accuracy_by_size.draw(frame, style.palette(sets))
    curves = {
        panel.get_title().partition(" ")[0]: [
            line for line in panel.get_lines() if line.get_linestyle() != "None"
        ]
        for panel in figure.axes
        if panel.get_visible()
    }
    # near, far, random on what steered them, each ending in the whole pool
    assert {name: len(lines) for name, lines in curves.items()} == {
        "val": 1, "sketch": 3, "rendition": 1,
    }  # fmt: skip
    assert {max(curve.get_xdata()) for curve in curves["sketch"]} == {sizes["baseline"]}


def test_steered_sets_are_shown_once_on_each_test_set(
    accuracy: pl.DataFrame, sets: list[TrainingSet]
) -> None:
    own, other = (accuracy_by_size.accuracy_by_size(accuracy, sets, one) for one in (True, False))
    keys = ["training_set", "test_set"]
    near = pl.col("training_set") == "near_sketch_50"
    assert own.filter(near)["test_set"].to_list() == ["sketch"]
    assert set(other.filter(near)["test_set"]) == set(TESTS) - {"sketch"}
    both = pl.concat([own, other]).unique(keys)
    assert both.height == len(sets) * len(TESTS)
    for name in ("random_50", "sketch_pruned"):
        alike = pl.col("training_set") == name
        assert own.filter(alike).equals(other.filter(alike))


def robustness_rows(values: list[tuple[str, int, float, float]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "training_set": name, "seed": seed, "test_set": test, "n": 1000, "top1": top1,
                "top1_low": top1 - 0.01, "top1_high": top1 + 0.01, "top5": 1.0,
                "mean_per_class": top1, "chance": 0.1, "one_class": 0.1,
            }
            for name, seed, inside, outside in values
            for test, top1 in (("val", inside), ("sketch", outside))
        ]
    )  # fmt: skip


def bands(figure: Figure) -> list[PolyCollection]:
    return [shape for shape in figure.axes[0].collections if isinstance(shape, PolyCollection)]


def test_line_through_reference_only_models_is_fitted_in_logits(sets: list[TrainingSet]) -> None:
    values = [("reference_only", 0, 0.5, 0.2), ("reference_only", 1, 0.7, 0.4)]
    values += [("baseline", 0, 0.6, 0.5)]
    frame = effective_robustness.effective_robustness(robustness_rows(values), sets, "val")
    inside, outside = np.log([0.5 / 0.5, 0.7 / 0.3]), np.log([0.2 / 0.8, 0.4 / 0.6])
    slope, intercept = np.polyfit(inside, outside, 1)
    assert frame["slope"].unique().to_list() == [pytest.approx(slope)]
    assert frame["intercept"].unique().to_list() == [pytest.approx(intercept)]
    assert frame.filter(pl.col("training_set") == "baseline")["id_top1"].to_list() == [0.6]
    figure = effective_robustness.draw(frame, style.palette(sets), "val")
    assert not bands(figure)  # two points tell no deviation
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "fit to 2 models trained on the reference alone" in labels


def test_classifiers_are_a_series_and_on_the_line(sets: list[TrainingSet]) -> None:
    values = [("baseline", 0, 0.6, 0.5), ("reference_only", 0, 0.4, 0.1)]
    values += [("resnet18", 0, 0.7, 0.4), ("resnet50", 0, 0.8, 0.5), ("unknown", 0, 0.9, 0.9)]
    names = ["resnet18", "resnet50"]
    frame = effective_robustness.effective_robustness(robustness_rows(values), sets, "val", names)
    rows = frame.filter(pl.col("method") == "classifier")
    assert rows["training_set"].to_list() == names
    assert set(rows["series"]) == {"classifiers"}
    assert "unknown" not in frame["training_set"].to_list()
    inside, outside = (
        np.log([value / (1 - value) for value in column])
        for column in ((0.4, 0.7, 0.8), (0.1, 0.4, 0.5))
    )
    slope, intercept = np.polyfit(inside, outside, 1)
    assert frame["slope"].unique().to_list() == [pytest.approx(slope)]
    assert frame["intercept"].unique().to_list() == [pytest.approx(intercept)]
    looks = style.palette(sets, names)
    assert looks["resnet18"] == looks["resnet50"] != looks["baseline"]
    figure = effective_robustness.draw(frame, looks, "val")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels.count("classifiers") == 1
    assert len(bands(figure)) == 1
    assert "fit to 3 models trained on the reference alone" in labels


def test_no_line_is_fitted_to_noise(
    accuracy: pl.DataFrame, sets: list[TrainingSet], tmp_path: Path
) -> None:
    frame = effective_robustness.effective_robustness(accuracy, sets, "val")
    assert frame["slope"].is_null().all()
    assert set(frame["test_set"]) == set(TESTS) - {"val"}
    assert frame.height == (len(SUBSETS) + 2) * 2
    style.save(effective_robustness.draw(frame, style.palette(sets), "val"), frame, tmp_path / "f")
    with pytest.raises(InputError, match="id_test_set"):
        effective_robustness.effective_robustness(accuracy, sets, "nowhere")


def test_an_accuracy_of_zero_or_one_can_be_drawn(sets: list[TrainingSet], tmp_path: Path) -> None:
    frame = effective_robustness.effective_robustness(
        robustness_rows([("baseline", 0, 1.0, 0.0)]), sets, "val"
    )
    style.save(effective_robustness.draw(frame, style.palette(sets), "val"), frame, tmp_path / "f")


def test_pruned_bars_are_the_fractions() -> None:
    frame = pl.DataFrame(
        {
            "subset": ["a", "a", "a", "none"],
            "style": ["line", "line", "photo", "line"],
            "test_class": [True, False, None, True],
            "pool": [10, 20, 5, 10],
            "pruned": [5, 4, 0, 0],
            "fraction": [0.5, 0.2, 0.0, 0.0],
        }
    )
    figure = pruned.draw(frame)
    (panel,) = (panel for panel in figure.axes if panel.get_visible())
    assert panel.get_title() == "a"
    assert sorted(bar.get_height() for bar in panel.patches) == [0.0, 0.2, 0.5]
    assert pruned.draw(frame.filter(pl.col("subset") == "none")).texts


def test_choice_of_images_is_seeded_and_stratified() -> None:
    labels = pl.Series(["a"] * 50 + ["b"] * 3 + ["c"])
    chosen = tables_neighbours.choose_images(labels, 3, 1)
    assert sorted(labels[chosen]) == ["a", "b", "c"]
    assert chosen == tables_neighbours.choose_images(labels, 3, 1)
    assert tables_neighbours.choose_images(labels, 99, 0) == list(range(54))
    assert any(tables_neighbours.choose_images(labels, 3, seed) != chosen for seed in range(5))
    assert len(tables_neighbours.choose_images(pl.Series([None, None, None]), 2, 0)) == 2


def made_sources(results: Path) -> dict[str, ImageFiles]:
    return {
        name: ImageFiles(
            sorted(results.glob(f"data/{dataset}/*/chunk.json")),
            sorted(results.glob(f"embeddings/e/{dataset}/metadata/*.parquet")),
        )
        for name, dataset in (("test", "sketch"), ("pool", "pool"), ("reference", "reference"))
    }


def test_neighbour_grid_shows_the_neighbours_of_the_files(results: Path, tmp_path: Path) -> None:
    folder = results / "similarity/e/sketch"
    tables = {
        name: pl.read_parquet(folder / f"{name}_neighbours.parquet")
        for name in ("pool", "reference")
    }
    sources = made_sources(results)
    frame = tables_neighbours.neighbour_table([3, 40], 80, tables, sources, 2)
    assert frame["dataset"].to_list() == ["test", "pool", "pool", "reference", "reference"] * 2
    threshold = tables["reference"].filter(pl.col("test_row") == 3)["similarity"][0]
    pool = frame.filter(pl.col("test_row") == 3, pl.col("dataset") == "pool")
    assert pool["nearer"].to_list() == (pool["similarity"] > threshold).to_list()
    for row in pool.iter_rows(named=True):
        path = results / f"embeddings/e/pool/metadata/metadata_{row['chunk']}.parquet"
        assert pl.read_parquet(path)["image_path"][row["row"]] == row["image_path"]
    frame = with_pictures(frame, sources)
    shards = shard_images.shards_by_chunk(sources["test"].chunks)["00000"]
    shown = frame.row(0, named=True)
    wanted = (shown["shard"], shown["image_path"])
    (image,) = shard_images.read_images(shards, {wanted}, 150).values()
    assert decode_picture(shown["picture"]).tobytes() == image.tobytes()
    figure = neighbours.draw(frame, "sketch", "Artwork: somebody")
    assert {"sketch", "Artwork: somebody"} <= {text.get_text() for text in figure.texts}
    below = [panel.get_xlabel() for panel in figure.axes]
    assert f"{pool['similarity'][0]:.3f}" in below
    style.save(figure, frame.drop("picture"), tmp_path / "neighbours")


def test_missing_chunks_and_images_are_named(results: Path) -> None:
    sources = made_sources(results)
    pool = sources["pool"]
    places = pl.DataFrame({"chunk": ["00001"], "row": [2]})
    with pytest.raises(InputError, match="metadata_00001"):
        ImageFiles(pool.chunks, pool.metadata[:1]).look_up(places)
    with pytest.raises(InputError, match="chunk 00001"):
        ImageFiles(pool.chunks[:1], pool.metadata).read(pool.look_up(places))
    shards = shard_images.shards_by_chunk(pool.chunks)["00000"]
    with pytest.raises(InputError, match="no image with the key nowhere"):
        shard_images.read_images(shards, {("00000.tar", "nowhere")}, 20)
    with pytest.raises(InputError, match="cannot be decoded"):
        shard_images.read_images(shards, {("00000.tar", "x")}, 20)


def test_images_are_bounded_and_shown_as_models_saw_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (300, 100), (7, 0, 0, 0)).save(buffer, "PNG")
    image = shard_images.decode(buffer.getvalue(), 30, "somewhere")
    assert image.size == (30, 10)
    assert image.getpixel((5, 5)) == decode_image(buffer.getvalue()).getpixel((5, 5)) == (7, 0, 0)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100)
    with pytest.raises(InputError, match=r"somewhere: .* is too large"):
        shard_images.decode(buffer.getvalue(), 30, "somewhere")
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("a.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(InputError, match="no image with the key a"):
        shard_images.read_images({"evil.tar": path}, {("evil.tar", "a")}, 20)


def swept(**differences: object) -> TrainingSet:
    alike = {
        "subset": "a", "method": "gap_match", "test_sets": ("sketch",), "rank": 1, "offset": 0.0,
        "embedder": "e", "pool": 100, "kept": 60, "pruned": 40, "reference": 70,
    }  # fmt: skip
    return TrainingSet(**(alike | differences))


def test_dose_and_response_groups_what_differs_in_one_dose() -> None:
    sets = [
        swept(subset="baseline", method="all", rank=None, offset=None, test_sets=()),
        swept(subset="reference_only", method="none", rank=None, offset=None, test_sets=()),
        swept(subset="more", offset=-0.1, pruned=70),
        swept(subset="paper"),
        swept(subset="rank5", rank=5, pruned=55),
        swept(subset="alone", test_sets=("sketch", "val"), offset=0.3),
        swept(subset="without", offset=0.1, reference=0),
    ]
    values = [(one.subset, 0, 0.5, 0.1 + 0.1 * place) for place, one in enumerate(sets)]
    frame = dose_response.dose_response(
        robustness_rows(values), sets, ("baseline", "reference_only")
    )
    found = {
        (str(sweep), float(fixed)): rows.select("dose", "training_set", "pruned_fraction").rows()
        for (sweep, fixed), rows in frame.group_by("sweep", "fixed")
    }
    assert found == {
        ("offset", 1.0): [(-0.1, "more", 0.7), (0.0, "paper", 0.4)],
        ("rank", 0.0): [(1.0, "paper", 0.4), (5.0, "rank5", 0.55)],
    }
    assert frame["whole"].unique().to_list() == [pytest.approx(0.1)]
    assert frame["none"].unique().to_list() == [pytest.approx(0.2)]
    figure = dose_response.draw(frame)
    assert "matched to sketch, rank 1" in texts(figure)
    none = dose_response.dose_response(robustness_rows(values), sets[:3], ("baseline", "alone"))
    assert dose_response.draw(none).texts


def test_profile_is_drawn_for_what_was_matched(sets: list[TrainingSet], tmp_path: Path) -> None:
    rows = [
        (name, test, rank, curve, 0.9 / rank, 0.8 / rank, 0.95 / rank)
        for name in ("baseline", "sketch_pruned", "combined_pruned")
        for test in TESTS
        for rank in (1, 2, 3)
        for curve in ("pool", "reference", "training set")
    ]
    frame = pl.DataFrame(rows, schema=tables_profile.SCHEMA, orient="row")
    frame = frame.with_columns(mean=pl.when(pl.col("rank") < 3).then("mean"))
    figure = profile.draw(frame, sets, "baseline")
    titles = [panel.get_title() for panel in figure.axes if panel.get_visible()]
    assert titles == ["sketch_pruned\non sketch", *[f"combined_pruned\non {t}" for t in TESTS]]
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [1, 2]
    style.save(figure, frame, tmp_path / "profile")
    assert profile.draw(frame, [one for one in sets if one.method == "all"], "baseline").texts


def test_audit_shows_each_class_in_a_row(results: Path, tmp_path: Path) -> None:
    sources = made_sources(results)
    places = pl.DataFrame(
        [
            ("sketch", "cat", 7, "sketch", 0, None, None, "00000", 5),
            ("sketch", "cat", 7, "pool", 1, 0.91, 0.2, "00000", 9),
            ("sketch", "cat", 7, "pool", 2, 0.90, 0.1, "00001", 3),
            ("sketch", "$5_{ or $6}$", 2, "sketch", 0, None, None, "00000", 6),
            ("sketch", "$5_{ or $6}$", 2, "pool", 1, 0.89, 0.1, "00001", 4),
        ],
        schema=audit_pictures.PLACES_SCHEMA,
        orient="row",
    )
    named = {"pool": sources["pool"], "sketch": sources["test"]}
    frame = audit_pictures.add_pictures(places, named)
    assert frame.select(places.columns).rows() == places.rows()
    figure = audit_figure.draw(frame, "What was pruned", "Artwork: somebody")
    assert {"What was pruned", "Artwork: somebody"} <= {one.get_text() for one in figure.texts}
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert {"cat (sketch)", "$5_{ or $6}$ (sketch)"} <= set(titles)
    assert figure.axes[0].get_xlabel() == "7 pruned"
    style.save(figure, frame.drop("picture"), tmp_path / "audit")
    assert audit_figure.draw(frame.head(0), "", "").texts
