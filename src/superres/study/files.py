"""The files behind a study's sources: which are fetched and from where, and which the workflow has to follow."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from superres.data.download.addresses import address_below, check_address, is_address, readable_address
from superres.data.sources.source import Download, PinnedFile, Source
from superres.device.base.errors import UserError
from superres.study.model import Study

# 8-bit planes at 4:2:0 are half of their RGB frame, whose LR twin is a quarter of it.
_RGB_OF_PLANES, _RGB_WITH_TWIN = 2.0, 2.5


def parse_files(
    entries: Sequence[Mapping[str, Any]], mirrors: Mapping[str, str | None]
) -> dict[str, Download]:
    """The files that a study fetches, by name.

    `mirrors` are folders, or addresses of folders, that are asked first, by the key that names each (None: none).
    Raises UserError for an address that can't be used and a folder that isn't there.
    """
    named = {where: place for where, place in mirrors.items() if place and entries}
    for where, place in named.items():
        _check_mirror(place, where)
    files = {}
    for i, entry in enumerate(entries):
        name, url = entry["name"], entry["url"]
        check_address(url, f"files[{i}].url")
        if entry["mismatch"] == "warn" and PurePosixPath(name).suffix != ".y4m":
            raise UserError(
                f"files[{i}].mismatch: expected warn for .y4m files only, whose structure can be checked, found it with "
                f"{name}"
            )
        places = [address_below(m, name) if is_address(m) else str(Path(m, name)) for m in named.values()]
        pinned = PinnedFile(name, entry["bytes"], entry["sha256"], entry["mismatch"], readable_address(url))
        files[name] = Download(pinned, (*places, url))
    return files


def _check_mirror(place: str, where: str) -> None:
    if is_address(place):
        check_address(place, where)
    elif not Path(place).is_dir():
        raise UserError(f"{where}: expected a folder or an address, found nothing at {place}; correct it")


def source_files(source: Source) -> list[str]:
    """Paths of the files behind a source, fetched ones among them; none for what lies in a package."""
    return source.files


def frames_made_of(study: Study, name: str) -> Iterator[tuple[str, int]]:
    """Frame files, relative to the study's folder, that are made of a fetched file, and at most how large each gets.

    Before the file is there, its size is all that is known: photographs in an archive are taken to be PNGs that
    are no smaller than planes of video, and nothing can be said of so many frames of a file. What is exact is
    checked again before frames are written.
    """
    for clip in study.clips.values():
        yield f"frames/{clip.name}.hr.npy", _frame_bytes([clip.source], name, _RGB_WITH_TWIN)
    for images in study.calibration_sets.values():
        yield f"frames/calibration/{images.name}.npy", _frame_bytes(images.sources, name, _RGB_OF_PLANES)
    for training in study.training_sets.values():
        yield f"training/{training.name}.hr.npy", _frame_bytes(training.sources, name, _RGB_WITH_TWIN)


def _frame_bytes(sources: Sequence[Source], name: str, growth: float) -> int:
    pinned = [(source, file) for source in sources if (file := source.pinned) and file.name == name]
    return sum(
        int(file.bytes * growth / source.frames.stride)
        for source, file in pinned
        if source.frames.count is None
    )
