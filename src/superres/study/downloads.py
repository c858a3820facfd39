"""How large the frame files get that are made of a study's downloads."""

from collections.abc import Iterator, Sequence

from superres.data.sources.source import Source
from superres.study.keys.study import Study

# 8-bit planes at 4:2:0 are half of their RGB frame, whose LR twin is a quarter of it.
_RGB_OF_PLANES, _RGB_WITH_TWIN = 2.0, 2.5


def frames_made_of(study: Study, name: str) -> Iterator[tuple[str, int]]:
    """Frame files in the study's folder that are made of a fetched file, and at most how large each gets.

    Before the file is there, its size is all that is known: photographs in an archive are taken to be PNGs
    that are no smaller than planes of video, and nothing can be said of so many frames of a file. What is
    exact is checked again before frames are written.
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
