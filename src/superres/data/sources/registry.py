"""The kinds of sources that a study can name: one line each, with one module each.

Light: code that reads pixels is imported when a source is opened. Open sources through this module only, then
an edit of a kind reruns the jobs that use it.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from superres.data.download.verify import check_size, verify_file
from superres.data.sources.images import Images
from superres.data.sources.package_images import PackageImages
from superres.data.sources.reading import FrameReader
from superres.data.sources.source import Source
from superres.data.sources.turning_view import TurningView
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.data.sources.zip_images import ZipImages

# The values of a study's key `source`; `type` names the kind.
AnySource = Annotated[
    TurningView | PackageImages | Images | ZipImages | Y4m | Video,
    Field(discriminator="type"),
]


def check_source(source: Source, smallest: int = 2) -> None:
    """Raise UserError for mistakes of a source that names and headers show.

    Images of a folder must be at least `smallest` pixels wide and high. Files to be downloaded, frames of a
    video and contents of an archive's images are checked when they are read.
    """
    if (pinned := source.pinned) is not None:
        if not Path(pinned.path).exists():
            return
        check_size(Path(pinned.path), pinned)
    source.kind.check(source, smallest)


def open_source(source: Source, wheels: Path) -> FrameReader:
    """Open a source; `wheels` is the folder of downloaded wheels.

    Raises UserError if the source is missing or malformed, if its frame range reaches outside it, or if its
    file isn't the pinned one.
    """
    if (pinned := source.pinned) is not None:
        verify_file(Path(pinned.path), pinned, Path(pinned.receipt))
    return source.kind.open(source, wheels)
