import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.data.embedding_files import (
    embedded_chunks,
    embedding_path,
    metadata_path,
    open_chunks,
    open_embeddings,
    release,
    write_embeddings,
)
from gapmatch.running.errors import InputError
from gapmatch.similarity.normalising import normalised_blocks


@pytest.fixture
def vectors():
    return oracle.unit_vectors(np.random.default_rng(0), 10, 4)


def save(path, array, **options):
    np.save(path, array, **options)
    return path


def test_chunks_are_found_in_order_and_missing_files_are_named(tmp_path, vectors):
    for chunk in ("00000", "00001"):
        write_embeddings(embedding_path(tmp_path, chunk), vectors)
        metadata_path(tmp_path, chunk).parent.mkdir(exist_ok=True)
        metadata_path(tmp_path, chunk).touch()
    found = embedded_chunks(tmp_path, ["00001", "00000"])
    assert [files.chunk for files in found] == ["00000", "00001"]
    with pytest.raises(InputError, match=r"img_emb_00002\.npy: not found"):
        embedded_chunks(tmp_path, ["00002"])
    metadata_path(tmp_path, "00001").unlink()
    with pytest.raises(InputError, match=r"metadata_00001\.parquet: not found"):
        embedded_chunks(tmp_path, ["00001"])
    with pytest.raises(InputError, match="more than once"):
        embedded_chunks(tmp_path, ["00000", "00000"])


@settings(max_examples=30)
@given(rows=st.integers(0, 20), block=st.integers(1, 25), seed=oracle.seeds)
def test_what_is_written_is_read_back_normalised(tmp_path_factory, rows, block, seed):
    path = tmp_path_factory.mktemp("embeddings") / "img_emb_00000.npy"
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((rows, 6)) * rng.uniform(0.1, 50)
    write_embeddings(path, vectors.astype(np.float32))
    stored = open_embeddings(path)
    assert stored.dtype == np.float16
    assert stored.shape == (rows, 6)
    starts, blocks = [], [np.empty((0, 6), np.float32)]
    for start, values in normalised_blocks(stored, block):
        starts.append(start)
        blocks.append(values.numpy())
    read = np.concatenate(blocks)
    assert starts == list(range(0, rows, block))
    assert read.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(read, axis=1), 1, atol=1e-6)
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(read, expected, atol=1e-3)


@pytest.mark.parametrize("bad", [np.zeros(4), [np.nan, 0, 0, 1], [np.inf, 0, 0, 0]])
def test_vectors_without_a_direction_are_not_written(tmp_path, vectors, bad):
    vectors[7] = bad
    with pytest.raises(InputError, match="row 7"):
        write_embeddings(tmp_path / "x.npy", vectors)
    assert list(tmp_path.iterdir()) == []


def test_pages_given_back_can_be_read_again(tmp_path):
    vectors = oracle.unit_vectors(np.random.default_rng(0), 3000, 64)
    stored = open_embeddings(save(tmp_path / "x.npy", vectors))
    for first, rows in ((0, 0), (0, 1), (17, 1000), (2990, 10), (0, 3000)):
        assert (stored[first : first + rows] == vectors[first : first + rows]).all()
        release(stored, first, rows)
    np.testing.assert_array_equal(stored, vectors)
    release(vectors, 0, 3000)  # no memory map: nothing to give back


def test_headers_that_do_not_fit_are_refused(tmp_path, vectors):
    path = tmp_path / "x.npy"
    cases = {
        "Fortran order": np.asfortranarray(vectors),
        "float16 or float32 numbers, found float64": vectors.astype(np.float64),
        "float16 or float32 numbers, found object": np.array([{"a": 1}], dtype=object),
        r"\(rows, dim\), found shape": vectors[0],
    }
    for words, array in cases.items():
        with pytest.raises(InputError, match=words):
            open_embeddings(save(path, array, allow_pickle=True))


def test_damaged_files_are_refused(tmp_path, vectors):
    path = save(tmp_path / "x.npy", vectors)
    whole = path.read_bytes()
    for content, words in (
        (whole[:-1], "cut short"),
        (whole + b"0", "expected 208 bytes"),
        (whole[:40], "not a readable"),
        (b"<html>404</html>", "not a readable"),
        (b"", "not a readable"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            open_embeddings(path)
    with pytest.raises(InputError, match="not found"):
        open_embeddings(tmp_path / "absent.npy")


def test_chunks_of_different_dimensions_are_refused(tmp_path, vectors):
    for chunk, array in (("00000", vectors), ("00001", vectors[:, :3])):
        write_embeddings(embedding_path(tmp_path, chunk), array)
        metadata_path(tmp_path, chunk).parent.mkdir(exist_ok=True)
        metadata_path(tmp_path, chunk).touch()
    with pytest.raises(InputError, match=r"4 dimensions but .*00001.* has 3"):
        open_chunks(embedded_chunks(tmp_path, ["00000", "00001"]))
