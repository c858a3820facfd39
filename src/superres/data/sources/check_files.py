"""What can be known about a source before any work starts, from file names and headers alone.

The workflow calls this while it parses a study: numpy and OpenCV stay out, Pillow comes in for headers.
"""

from pathlib import Path

from superres.data.download.receipts import check_size
from superres.data.sources.archives import is_taken, zip_members
from superres.data.sources.frame_ranges import check_range, select_frames
from superres.data.sources.packages import match_members
from superres.data.sources.sources import (
    IMAGE_SUFFIXES,
    Images,
    PackageImages,
    Source,
    TurningView,
    Video,
    Y4m,
    ZipImages,
    pinned_file,
)
from superres.data.sources.y4m import read_header
from superres.device.base.errors import UserError


def image_files(images: Images) -> list[Path]:
    """The image files of a folder, sorted by name.

    Taken are files with one of IMAGE_SUFFIXES whose name matches a pattern of `include` (none given: all)
    and none of `exclude`. Raises UserError if the folder is missing or holds no such file.
    """
    folder = Path(images.path)
    if not folder.is_dir():
        raise UserError(
            f"images: expected a folder at {folder}, found {_what_is_there(folder)}; correct its path"
        )
    found = sorted(file for file in folder.iterdir() if is_taken(file.name, images))
    if not found:
        raise UserError(
            f"{folder}: expected at least one image ({', '.join(IMAGE_SUFFIXES)}) that include "
            f"{list(images.include)} and exclude {list(images.exclude)} let through, found none"
        )
    return found


def check_file(path: str, what: str) -> Path:
    """The path of a file that exists; raises UserError that names it and what it should be."""
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{what}: expected a file at {file}, found {_what_is_there(file)}; correct its path")
    return file


def check_source(source: Source, smallest: int = 2) -> None:
    """Raise UserError for what is wrong with a source as far as names and headers tell.

    Images of a folder must be at least `smallest` pixels wide and high.
    A file that is yet to be downloaded, the frames of a video and the content of images in an archive are left for when
    they are read.
    """
    kind = source.kind
    pinned = pinned_file(source)
    if pinned is not None:
        if not Path(pinned.path).exists():
            check_range(source.frames, pinned.path)
            return
        check_size(Path(pinned.path), pinned)
    match kind:
        case TurningView():
            check_view(kind)
            select_frames(source.frames, kind.frames, f"turning view in {kind.member}")
        case PackageImages():
            if kind.shrink < 1:
                raise UserError(f"{kind.package.package}: expected shrink >= 1, found {kind.shrink}")
            if kind.package.version is None:
                members = match_members(kind.package, kind.members, Path())
                select_frames(source.frames, len(members), f"package {kind.package.package}")
        case Images():
            files = image_files(kind)
            for index in select_frames(source.frames, len(files), str(kind.path)):
                _check_image_header(files[index], smallest)
        case ZipImages():
            select_frames(source.frames, len(zip_members(kind)), kind.path)
        case Y4m():
            header = read_header(check_file(kind.path, "y4m"))
            select_frames(source.frames, header.frames, kind.path)
        case Video():
            check_file(kind.path, "video")
            check_range(source.frames, kind.path)


def check_view(view: TurningView) -> None:
    """Raise UserError if a turning view can't be rendered: odd size, field of view, supersampling."""
    where = f"turning view in {view.member}"
    if view.width < 2 or view.height < 2 or view.width % 2 or view.height % 2:
        raise UserError(f"{where}: expected an even width and height, found {view.width}x{view.height}")
    if not 0 < view.fov < 180:
        raise UserError(f"{where}: expected 0 < fov < 180 degrees, found {view.fov}")
    if not -90 <= view.pitch <= 90:
        raise UserError(f"{where}: expected a pitch of -90 to 90 degrees, found {view.pitch}")
    if view.supersampling < 1 or view.frames < 1:
        raise UserError(
            f"{where}: expected frames and supersampling >= 1, found {view.frames} and {view.supersampling}"
        )


def _check_image_header(file: Path, smallest: int) -> None:
    from superres.data.sources.pictures import picture_size

    height, width = picture_size(file, str(file))
    if min(height, width) < smallest:
        raise UserError(
            f"{file}: expected at least {smallest}x{smallest} pixels, found {width}x{height}; exclude it"
            + (" or make the training's patches smaller" if smallest > 2 else "")
        )


def _what_is_there(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    return "a file" if path.is_file() else "nothing"
