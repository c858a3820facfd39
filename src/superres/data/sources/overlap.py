"""Do two sets of sources share a frame? Arithmetic on what the study says; no frame is read.

The workflow asks before any work starts, so nothing heavy is imported here. Equal photographs under
different names are found later, by their hashes, when the frames are prepared.
"""

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from superres.data.sources.archives import zip_members
from superres.data.sources.check_files import image_files
from superres.data.sources.frame_ranges import first_common_index, frame_indices
from superres.data.sources.sources import Images, PackageImages, Source, TurningView, Video, Y4m, ZipImages

Sector = tuple[float, float]


def half_width(fov: float, pitch: float, width: int, height: int) -> float:
    """How far a view reaches to either side of its yaw, in degrees (180 when a pole is in it).

    `fov` is horizontal and below 180, both angles in degrees. A point at (u, v) on the image plane at
    distance 1 has yaw atan2(u, cos(pitch) + v sin(pitch)) with v pointing down, so the widest yaw is in
    the corners on the side that is nearer to the pole.
    """
    half = math.tan(math.radians(fov) / 2)
    tilt = math.radians(abs(pitch))
    depth = math.cos(tilt) - math.sin(tilt) * half * height / width
    return 180.0 if depth <= 0 else math.degrees(math.atan2(half, depth))


def frame_sector(view: TurningView, frame: int) -> Sector:
    """Lowest and highest yaw, in degrees, of any point in frame `frame` of a turning view (not wrapped)."""
    yaw = view.yaw + frame * view.yaw_step
    reach = half_width(view.fov, view.pitch, view.width, view.height)
    return yaw - reach, yaw + reach


def yaw_footprint(view: TurningView) -> Sector:
    """Lowest and highest yaw, in degrees, of any point in any of a view's frames (not wrapped)."""
    ends = [frame_sector(view, 0), frame_sector(view, view.frames - 1)]
    return min(low for low, _ in ends), max(high for _, high in ends)


def sectors_overlap(a: Sector, b: Sector) -> bool:
    """Whether two sectors, in degrees and taken around the circle, share more than an end point."""
    if a[1] - a[0] >= 360 or b[1] - b[0] >= 360:
        return True
    offset = (b[0] - a[0]) % 360
    return offset < a[1] - a[0] or 360 - offset < b[1] - b[0]


def check_disjoint(a: Sequence[Source], b: Sequence[Source]) -> str | None:
    """Name the first thing that two sets of sources share, in one sentence; None when they share nothing.

    Compared are views into the same panorama (by yaw, around the circle), frame indices of the same file,
    files of the same folder or archive, and patterns of the same package.
    """
    for first in a:
        for second in b:
            shared = _shared(first, second)
            if shared is not None:
                return shared
    return None


def _shared(a: Source, b: Source) -> str | None:
    match a.kind, b.kind:
        case TurningView() as one, TurningView() as other:
            shared = _shared_yaw(a, one, b, other)
        case PackageImages() as one, PackageImages() as other:
            shared = _shared_pattern(one, other)
        case (TurningView() as view, PackageImages() as images) | (
            PackageImages() as images,
            TurningView() as view,
        ):
            shared = _shared_member(view, images)
        case Images() as one, Images() as other:
            shared = _shared_file(a, one, b, other)
        case ZipImages() as one, ZipImages() as other:
            shared = _shared_archive(a, one, b, other)
        case (Y4m() | Video()) as one, (Y4m() | Video()) as other:
            shared = _shared_index(a, one, b, other)
        case _:
            shared = None
    return shared


def _shared_yaw(a: Source, one: TurningView, b: Source, other: TurningView) -> str | None:
    if (one.package.package, one.member) != (other.package.package, other.member):
        return None
    # Frames one by one: a few views far apart leave room for others between them.
    for i in frame_indices(a.frames, one.frames):
        for j in frame_indices(b.frames, other.frames):
            here, there = frame_sector(one, i), frame_sector(other, j)
            if sectors_overlap(here, there):
                return (
                    f"views into {one.member} overlap: frame {i} of one spans yaw {_degrees(here)}, "
                    f"frame {j} of the other {_degrees(there)}"
                )
    return None


def _degrees(sector: Sector) -> str:
    return f"{sector[0]:.2f} to {sector[1]:.2f} degrees"


def _shared_pattern(one: PackageImages, other: PackageImages) -> str | None:
    if one.package.package != other.package.package:
        return None
    for mine in one.members:
        for theirs in other.members:
            if mine == theirs or fnmatchcase(mine, theirs) or fnmatchcase(theirs, mine):
                return f"both take {mine} from the package {one.package.package} (as {theirs} in the other)"
    return None


def _shared_member(view: TurningView, images: PackageImages) -> str | None:
    same = view.package.package == images.package.package
    if same and any(fnmatchcase(view.member, pattern) for pattern in images.members):
        return f"both take {view.member} from the package {view.package.package}"
    return None


def _shared_index(a: Source, one: Y4m | Video, b: Source, other: Y4m | Video) -> str | None:
    if Path(one.path).resolve() != Path(other.path).resolve():
        return None
    index = first_common_index(a.frames, b.frames)
    return None if index is None else f"both take frame {index} of {one.path}"


def _shared_archive(a: Source, one: ZipImages, b: Source, other: ZipImages) -> str | None:
    if Path(one.path).resolve() != Path(other.path).resolve():
        return None
    if not Path(one.path).exists():
        # Fetched later: what two different choices of members share is found by the pixels' hashes then.
        if (one.include, one.exclude) != (other.include, other.exclude):
            return None
        index = first_common_index(a.frames, b.frames)
        return None if index is None else f"both take image {index} of {one.path}"
    mine, theirs = zip_members(one), zip_members(other)
    taken = {mine[i] for i in frame_indices(a.frames, len(mine))}
    for j in frame_indices(b.frames, len(theirs)):
        if theirs[j] in taken:
            return f"both take {theirs[j]} of {one.path}"
    return None


def _shared_file(a: Source, one: Images, b: Source, other: Images) -> str | None:
    if Path(one.path).resolve() != Path(other.path).resolve():
        return None
    mine, theirs = image_files(one), image_files(other)
    taken = {mine[i] for i in frame_indices(a.frames, len(mine))}
    for j in frame_indices(b.frames, len(theirs)):
        if theirs[j] in taken:
            return f"both take {theirs[j]}"
    return None
