"""Grids of neighbours show the images that the files name."""

from pathlib import Path

import polars as pl
from made_results import made_sources

from gapmatch.data import shard_images
from gapmatch.drawing import style
from gapmatch.figures import (
    neighbours,
)
from gapmatch.results.pictures import decode_picture, with_pictures
from gapmatch.tables import neighbours as tables_neighbours


def test_choice_of_images_is_seeded_and_stratified() -> None:
    labels = pl.Series(["a"] * 50 + ["b"] * 3 + ["c"])
    chosen = tables_neighbours.choose_images(labels, 3, 1)
    assert sorted(labels[chosen]) == ["a", "b", "c"]
    assert chosen == tables_neighbours.choose_images(labels, 3, 1)
    assert tables_neighbours.choose_images(labels, 99, 0) == list(range(54))
    assert any(tables_neighbours.choose_images(labels, 3, seed) != chosen for seed in range(5))
    assert len(tables_neighbours.choose_images(pl.Series([None, None, None]), 2, 0)) == 2


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
