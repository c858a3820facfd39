"""A clip in shards has the bytes of one job, whatever its sizes and whatever is left for the last shard."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from superres.data.clips import prepare_clip
from superres.data.shards import join_frames, join_indexes, shards_of
from superres.data.sources.images import Images
from superres.data.sources.source import FrameRange, PinnedFile, Source
from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError

ALIKE = ((16, 24),) * 7
# Uniform shards of a set that isn't uniform, too.
MIXED = ((16, 24), (16, 24), (16, 24), (8, 12), (8, 12), (20, 6), (16, 24))


def write_images(folder: Path, sizes: tuple[tuple[int, int], ...], seed: int = 0) -> Source:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for k, (height, width) in enumerate(sizes):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(folder / f"{k}.png")
    return Source(Images(path=str(folder)))


def prepare(source: Source, stem: Path, part: tuple[int, int] | None = None) -> dict[str, Path]:
    paths = {"hr": Path(f"{stem}.hr.npy"), "index": Path(f"{stem}.json")}
    hr, index = paths.values()
    prepare_clip("c", [source], multiple=2, wheels=stem.parent, hr=hr, index=index, part=part)
    return paths


@pytest.mark.parametrize("sizes", [ALIKE, MIXED], ids=["one size", "several sizes"])
@pytest.mark.parametrize("size, last", [(1, 1), (2, 1), (3, 1), (4, 3), (6, 1)])
def test_shards_are_joined_to_the_bytes_of_one_job(tmp_path: Path, sizes, size: int, last: int):
    source = write_images(tmp_path / "images", sizes)
    whole = prepare(source, tmp_path / "whole")
    shards = shards_of([source], size)
    assert shards[-1][1] - shards[-1][0] == last
    parts = [prepare(source, tmp_path / f"shards-{first}", (first, end)) for first, end in shards]
    indexes = [part["index"] for part in parts]
    joined = {kind: tmp_path / f"joined.{kind}" for kind in whole}
    join_frames([part["hr"] for part in parts], indexes, joined["hr"])
    join_indexes(indexes, joined["index"])
    for kind, path in whole.items():
        assert joined[kind].read_bytes() == path.read_bytes()


def test_shards_of_two_sets_are_no_set(tmp_path: Path):
    sources = [write_images(tmp_path / name, ALIKE, seed) for seed, name in enumerate("ab")]
    parts = [prepare(source, tmp_path / f"part{k}", (0, 2))["index"] for k, source in enumerate(sources)]
    with pytest.raises(UserError, match=r"part1.json: expected a shard like .*part0.json, found another set"):
        join_indexes(parts, tmp_path / "joined.json")
    assert not (tmp_path / "joined.json").exists()


def test_shards_cross_the_borders_of_sources(tmp_path: Path):
    sources = [write_images(tmp_path / name, ALIKE[:3]) for name in "ab"]
    assert shards_of(sources, 4) == [(0, 4), (4, 6)]


def test_what_one_job_does(tmp_path: Path):
    source = write_images(tmp_path / "images", ALIKE)
    assert shards_of([source], None) == shards_of([source], 7) == shards_of([source], 8) == []


@pytest.mark.parametrize("count, shards", [(None, []), (5, [(0, 2), (2, 4), (4, 5)])])
def test_a_fetched_file_has_as_many_frames_as_the_study_says(count: int | None, shards: list):
    pinned = PinnedFile("a.y4m", 1, "0" * 64, "error", "")
    source = Source(Y4m(file="a.y4m", frames=FrameRange(count=count)), pinned=pinned)
    assert shards_of([source], 2) == shards
