"""A small crawl fetched with img2dataset over HTTP: counts, reasons, resumption, equal bytes."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from gapmatch.data.shards import read_samples, write_shard
from gapmatch.download import download, finished_shards
from gapmatch.emoji.artwork import Emoji
from gapmatch.emoji.crawl import HOST, CrawlSettings, write_crawl
from gapmatch.running.errors import InputError
from gapmatch.running.resumption import claim_state

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).parents[2]
CLASSES = (Emoji(0x1F415, "dog"), Emoji(0x1F408, "cat"))
SHARD = 12
SETTINGS = download.DownloadSettings(
    image_size=32,
    resize_mode="no",
    samples_per_shard=SHARD,
    max_image_area=10**6,
    retries=0,
    processes=1,
    threads=8,
)


def run(crawl: Path, work: Path, out: Path, minimum: float) -> subprocess.CompletedProcess[str]:
    """Run the program on the crawl's only chunk."""
    arguments = (
        f"--urls {crawl}/urls_00000.parquet --site {crawl} --dataset pool --chunk 00000 "
        f"--image-size 32 --resize-mode no --samples-per-shard {SHARD} --max-image-area 1000000 "
        f"--retries 0 --min-success-rate {minimum} --timeout-minutes 3 --threads 8 "
        f"--state {work} --out {out}"
    )
    program = ROOT / "workflow_scripts" / "download_chunk.py"
    return subprocess.run(
        [sys.executable, str(program), *arguments.split()],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ, no_proxy="emoji.example"),
    )


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    settings = CrawlSettings(0, 32, 5, 1, 0.1, 0.1, 0.5)
    write_crawl(CLASSES, settings, folder, 1)
    return folder


def test_refused_then_continued_after_damage(crawl: Path, tmp_path: Path) -> None:
    work, out, first = tmp_path / "work", tmp_path / "out", tmp_path / "first"
    links = pl.read_parquet(crawl / "urls_00000.parquet")

    refused = run(crawl, work, out, 0.99)
    assert refused.returncode == 2, refused.stderr
    assert "download.min_success_rate (0.99)" in refused.stderr
    assert f"of {len(links)} links could be fetched" in refused.stderr
    assert "Image decoding error" in refused.stderr
    assert not out.exists()

    shards = work / "shards"
    first.mkdir()
    download.seal_chunk(shards, "pool", "00000", first)

    # As a kill leaves it: a shard cut short, one without statistics, and an abandoned attempt
    # whose links all failed because the server was gone.
    cut = shards / "00000.tar"
    cut.write_bytes(cut.read_bytes()[:5000])
    (shards / "00001_stats.json").unlink()
    abandoned = work / "attempt-old"
    abandoned.mkdir()
    write_shard(abandoned / "00001.tar", [])
    (abandoned / "00001_stats.json").write_text(json.dumps({"successes": 0, "count": SHARD}))

    continued = run(crawl, work, out, 0.3)
    assert continued.returncode == 0, continued.stderr
    assert "00000.tar is damaged or cut short" in continued.stderr
    assert len(list(first.glob("*.tar"))) > 2
    assert "File sharded in 2 shards" in continued.stderr  # the others were not fetched again
    assert not work.exists()

    tars = sorted(path.name for path in out.glob("*.tar"))
    assert tars == sorted(path.name for path in first.glob("*.tar"))
    for name in tars:
        assert (out / name).read_bytes() == (first / name).read_bytes()
    check_content(crawl, out, links)


def check_content(crawl: Path, out: Path, links: pl.DataFrame) -> None:
    """Check that each link is a sample with its metadata, or a failure with its reason."""
    manifest = json.loads((out / "chunk.json").read_text(encoding="utf-8"))
    failed = pl.read_parquet(out / "failed.parquet")
    assert manifest["urls"] == len(links) == manifest["samples"] + len(failed)
    assert manifest["failed"] == len(failed)
    assert failed["error_message"].null_count() == 0
    reasons = dict(failed.select("url", "error_message").iter_rows())
    faults = json.loads((crawl / "faults.json").read_text(encoding="utf-8"))
    expected = {
        "dead": "404",
        "redirect": "decoding",
        "page": "decoding",
        "truncated": "decoding",
        "interrupted": "IncompleteRead",
    }
    for path, fault in faults.items():
        assert expected[fault] in reasons.pop(f"{HOST}/{path}")
    assert list(reasons.values()) == ["image area too large"]

    by_url = {row["url"]: row for row in links.iter_rows(named=True)}
    keys = []
    for shard in manifest["shards"]:
        samples = list(read_samples(out / shard["path"]))
        assert len(samples) == shard["samples"]
        for key, members in samples:
            keys.append(key)
            metadata = json.loads(members["json"])
            row = by_url[metadata["url"]]
            assert members["txt"].decode() == row["caption"]
            assert (metadata["class_name"], metadata["style"]) == (row["class_name"], row["style"])
    assert keys == sorted(keys)


def make_shard(folder: Path, links: int, successes: int) -> None:
    """Write shard 00000 as img2dataset leaves it."""
    folder.mkdir()
    write_shard(folder / "00000.tar", [(f"{n:04d}", {"txt": b"x"}) for n in range(successes)])
    pl.DataFrame({"key": [f"{n:04d}" for n in range(links)]}).write_parquet(
        folder / "00000.parquet"
    )
    (folder / "00000_stats.json").write_text(json.dumps({"successes": successes, "count": links}))


def test_a_whole_shard_is_kept(tmp_path: Path) -> None:
    make_shard(tmp_path / "a", links=5, successes=4)
    finished_shards.delete_damaged(tmp_path / "a")
    assert finished_shards.finished(tmp_path / "a") == ["00000"]


@pytest.mark.parametrize("damage", ["tar", "parquet", "samples", "links", "stats"])
def test_a_damaged_shard_is_deleted(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "a"
    make_shard(folder, links=5, successes=4)
    if damage in {"tar", "parquet"}:
        path = folder / f"00000.{damage}"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    else:
        wrong = {"samples": (5, 5), "links": (4, 6), "stats": None}[damage]
        text = json.dumps({"successes": wrong[0], "count": wrong[1]}) if wrong else '{"succ'
        (folder / "00000_stats.json").write_text(text)
    finished_shards.delete_damaged(folder)
    assert list(folder.iterdir()) == []


def test_the_gate_names_the_most_frequent_reasons() -> None:
    failed = pl.DataFrame({"error_message": ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"]})
    download.check_success_rate(failed, 20, 0.5, "00003")
    with pytest.raises(InputError, match=r"chunk 00003: only 10 of 20 .* 4 x a; 3 x b; 2 x c$"):
        download.check_success_rate(failed, 20, 0.51, "00003")


def test_a_second_process_does_not_work_in_the_same_folder(crawl: Path, tmp_path: Path) -> None:
    lock = claim_state(tmp_path / "work", "of the first")
    second = run(crawl, tmp_path / "work", tmp_path / "out", 0.3)
    os.close(lock)
    assert second.returncode == 2
    assert f"{tmp_path / 'work'} is in use" in second.stderr
    assert not (tmp_path / "out").exists()


def test_content_settings_and_links_identify_the_work(crawl: Path, tmp_path: Path) -> None:
    urls = crawl / "urls_00000.parquet"
    same = replace(SETTINGS, processes=4, threads=99)
    expected = download.identity(urls, SETTINGS, None)
    assert download.identity(urls, same, None) == expected
    assert download.identity(urls, replace(SETTINGS, image_size=64), None) != expected
    copy = Path(shutil.copy(urls, tmp_path / "other.parquet"))
    pl.read_parquet(copy).head(3).write_parquet(copy)
    assert download.identity(copy, SETTINGS, None) != expected


def test_a_crawl_rendered_anew_is_other_work(crawl: Path, tmp_path: Path) -> None:
    urls = crawl / "urls_00000.parquet"
    for size in (32, 48):
        settings = CrawlSettings(0, size, 5, 1, 0.1, 0.1, 0.5)
        write_crawl(CLASSES, settings, tmp_path / str(size), 1)
        assert (tmp_path / str(size) / urls.name).read_bytes() == urls.read_bytes()
    same, larger = (download.identity(urls, SETTINGS, tmp_path / size) for size in ("32", "48"))
    assert download.identity(urls, SETTINGS, crawl) == same != larger


def test_a_chunk_without_links_is_refused(crawl: Path, tmp_path: Path) -> None:
    none = tmp_path / "none.parquet"
    pl.read_parquet(crawl / "urls_00000.parquet").clear().write_parquet(none)
    with pytest.raises(InputError, match="holds no link: ask for fewer chunks"):
        download.fetch(none, tmp_path / "shards", SETTINGS, 1, None)
