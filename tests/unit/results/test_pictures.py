"""Pictures read from shards: named where they are missing, bounded in size."""

import io
import tarfile
from pathlib import Path
import numpy as np
import polars as pl
import pytest
from made_results import SUBSETS, TESTS, make_results, made_sources
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
from gapmatch.results.evaluations import read_evaluations
from gapmatch.results.summaries import Subset, baseline_of, read_nearest, read_subsets
from gapmatch.running.errors import InputError
from gapmatch.tables import accuracy_by_similarity as tables_binned
from gapmatch.tables import neighbours as tables_neighbours
from gapmatch.tables import profile as tables_profile
from gapmatch.tables import similarity_gap as tables_gap
from gapmatch.tables import similarity_pruned as tables_pruned
from gapmatch.tables.accuracy import accuracy_table
from gapmatch.tables.subsets import TrainingSet, subset_table, training_sets


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
