"""The kinds of sources that a study can name: one line each, and one module beside this one.

Light: what reads pixels comes in where a source is opened. What opens sources imports them from here, so that
an edit of a kind reruns what is made of it.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from superres.data.download.fetch import check_size, verify_file
from superres.data.sources.images import Images
from superres.data.sources.package_images import PackageImages
from superres.data.sources.reading import FrameReader
from superres.data.sources.source import Source
from superres.data.sources.turning_view import TurningView
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.data.sources.zip_images import ZipImages

# What the key `source` of a study takes; `type` says which kind it is.
AnySource = Annotated[
    TurningView | PackageImages | Images | ZipImages | Y4m | Video,
    Field(discriminator="type"),
]


def check_source(source: Source, smallest: int = 2) -> None:
    """Raise UserError for what is wrong with a source as far as names and headers tell.

    Images of a folder must be at least `smallest` pixels wide and high. A file that is yet to be downloaded,
    the frames of a video and the content of images in an archive are checked when they are read.
    """
    if (pinned := source.pinned) is not None:
        if not Path(pinned.path).exists():
            return
        check_size(Path(pinned.path), pinned)
    source.kind.check(source, smallest)


def open_source(source: Source, wheels: Path) -> FrameReader:
    """Open a source; `wheels` is the folder of downloaded wheels.

    Raises UserError if the source is missing or malformed, if its frame range reaches outside it, or if a
    file that the study pins is another one.
    """
    if (pinned := source.pinned) is not None:
        verify_file(Path(pinned.path), pinned, Path(pinned.receipt))
    return source.kind.open(source, wheels)
