"""Frames of any source, one interface: names and sizes first, then frame by frame.

Reading in rising order is what every source is quick at, and holds one frame (and one panorama) at a time. Sources that
`read_in_any_order` names may be read from several threads.
"""

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from superres.data.disjoint import Origin
from superres.data.download.receipts import verify_file
from superres.data.sources.archives import member_stream, read_member, zip_members
from superres.data.sources.check_files import check_file, check_view, image_files
from superres.data.sources.frame_ranges import last_index, select_frames
from superres.data.sources.overlap import frame_sector
from superres.data.sources.packages import match_members, open_member
from superres.data.sources.panorama import render_view
from superres.data.sources.pictures import picture_size, read_picture
from superres.data.sources.sources import (
    FrameRange,
    Images,
    PackageFile,
    PackageImages,
    Source,
    TurningView,
    Video,
    Y4m,
    ZipImages,
    pinned_file,
)
from superres.data.sources.video import VideoFrames, count_frames
from superres.data.sources.y4m import read_header, read_planes
from superres.data.sources.yuv import yuv_to_rgb
from superres.device.base.errors import UserError

Shape = tuple[int, int]


class FrameReader(ABC):
    """The frames of a source: `names` and `shapes` (height, width) of each, then `read`.

    `files` are those of the user's that it reads; `whole` says that the hash of an origin is that of the frame itself.
    """

    whole = False

    def __init__(self, names: Sequence[str], shapes: Sequence[Shape], files: Sequence[Path] = ()):
        self.names = list(names)
        self.shapes = list(shapes)
        self.files = list(files)
        self._origins: dict[int, Origin] = {}

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> np.ndarray:
        """Frame `index` as uint8 H x W x 3, RGB, H and W even; raises UserError if it can't be decoded."""
        frame, self._origins[index] = self._read(index)
        return frame

    def origin(self, index: int) -> Origin:
        """Where frame `index` comes from; costs nothing once the frame has been read."""
        if index not in self._origins:
            self.read(index)
        return self._origins[index]

    @property
    def origins(self) -> list[Origin]:
        """Where each frame comes from; reads those that haven't been read yet."""
        return [self.origin(index) for index in range(len(self))]

    @abstractmethod
    def _read(self, index: int) -> tuple[np.ndarray, Origin]: ...


def open_source(source: Source, wheels: Path) -> FrameReader:
    """Open a source; `wheels` is the folder of downloaded wheels.

    Raises UserError if the source is missing or malformed, if its frame range reaches outside it, or if a file that
    the study pins is another one.
    """
    if (pinned := pinned_file(source)) is not None:
        verify_file(Path(pinned.path), pinned, Path(pinned.receipt))
    match source.kind:
        case TurningView() as view:
            return _ViewReader(view, source.frames, wheels)
        case PackageImages() as images:
            return _PackageReader(images, source.frames, wheels)
        case Images() as images:
            return _FolderReader(images, source.frames)
        case ZipImages() as images:
            return _ZipReader(images, source.frames)
        case Y4m() as video:
            return _Y4mReader(video, source.frames)
        case Video() as video:
            return _VideoReader(video, source.frames)


class _ViewReader(FrameReader):
    def __init__(self, view: TurningView, frames: FrameRange, wheels: Path):
        check_view(view)
        self._view, self._wheels = view, wheels
        self._indices = select_frames(frames, view.frames, f"turning view in {view.member}")
        names = [f"{Path(view.member).stem}-{index:04d}" for index in self._indices]
        super().__init__(names, [(view.height, view.width)] * len(names))

    def _read(self, index: int) -> tuple[np.ndarray, Origin]:
        view, turn = self._view, self._indices[index]
        panorama, digest = _read_panorama(view.package, view.member, self._wheels)
        frame = render_view(
            panorama,
            yaw=view.yaw + turn * view.yaw_step,
            pitch=view.pitch,
            fov=view.fov,
            width=view.width,
            height=view.height,
            supersampling=view.supersampling,
        )
        return frame, Origin(self.names[index], digest, frame_sector(view, turn))


@functools.lru_cache(maxsize=1)
def _read_panorama(package: PackageFile, member: str, wheels: Path) -> tuple[np.ndarray, str]:
    """A panorama and its digest, decoded once for all the views into it."""
    panorama = read_picture(open_member(package, member, wheels), member)
    return panorama, picture_digest(panorama)


class _PackageReader(FrameReader):
    def __init__(self, images: PackageImages, frames: FrameRange, wheels: Path):
        self._images, self._wheels = images, wheels
        members = match_members(images.package, images.members, wheels)
        taken = select_frames(frames, len(members), f"package {images.package.package}")
        self._members = [members[index] for index in taken]
        sizes = [picture_size(open_member(images.package, m, wheels), m) for m in self._members]
        super().__init__(
            [Path(member).name for member in self._members],
            [
                _even(h // images.shrink, w // images.shrink, m)
                for (h, w), m in zip(sizes, self._members, strict=True)
            ],
        )

    def _read(self, index: int) -> tuple[np.ndarray, Origin]:
        member, shrink = self._members[index], self._images.shrink
        picture = read_picture(open_member(self._images.package, member, self._wheels), member)
        origin = Origin(self.names[index], picture_digest(picture), None)
        height, width = self.shapes[index]
        cropped = picture[: height * shrink, : width * shrink]
        if shrink > 1:
            cropped = cv2.resize(cropped, (width, height), interpolation=cv2.INTER_AREA)
        return cropped, origin


class _FolderReader(FrameReader):
    """Images of odd sizes lose their last row or column, so that they can be halved."""

    def __init__(self, images: Images, frames: FrameRange):
        files = image_files(images)
        self._files = [files[index] for index in select_frames(frames, len(files), images.path)]
        super().__init__(
            [file.name for file in self._files],
            [_even(*picture_size(file, str(file)), str(file)) for file in self._files],
            self._files,
        )

    def _read(self, index: int) -> tuple[np.ndarray, Origin]:
        picture = read_picture(self._files[index], str(self._files[index]))
        height, width = self.shapes[index]
        return picture[:height, :width], Origin(self.names[index], picture_digest(picture), None)


class _ZipReader(FrameReader):
    """Images of odd sizes lose their last row or column, as those of a folder do.

    The archive is opened anew for each image: no handle is shared by frames that are read side by side.
    """

    def __init__(self, images: ZipImages, frames: FrameRange):
        self._path = Path(images.path)
        members = zip_members(images)
        self._members = [members[index] for index in select_frames(frames, len(members), images.path)]
        super().__init__(
            [Path(member).name for member in self._members],
            [_even(*self._size(member), member) for member in self._members],
            [self._path],
        )

    def _size(self, member: str) -> Shape:
        with member_stream(self._path, member) as stream:
            return picture_size(stream, f"{self._path}: {member}")

    def _read(self, index: int) -> tuple[np.ndarray, Origin]:
        member = self._members[index]
        picture = read_picture(read_member(self._path, member), f"{self._path}: {member}")
        height, width = self.shapes[index]
        return picture[:height, :width], Origin(self.names[index], picture_digest(picture), None)


class _Y4mReader(FrameReader):
    whole = True

    def __init__(self, video: Y4m, frames: FrameRange):
        self._video, self._path = video, check_file(video.path, "y4m")
        self._header = read_header(self._path)
        self._indices = select_frames(frames, self._header.frames, video.path)
        self._siting = self._header.siting if video.siting == "auto" else video.siting
        shape = (self._header.height, self._header.width)
        super().__init__(_numbered(video.path, self._indices), [shape] * len(self._indices), [self._path])

    def _read(self, index: int) -> tuple[np.ndarray, Origin]:
        planes = read_planes(self._path, self._header, self._indices[index])
        frame = yuv_to_rgb(planes, self._video.matrix, self._video.range == "limited", self._siting)
        return frame, Origin(self.names[index], picture_digest(frame), None)


class _VideoReader(FrameReader):
    whole = True

    def __init__(self, video: Video, frames: FrameRange):
        enough = None if frames.count is None else last_index(frames) + 1
        self._indices = select_frames(frames, count_frames(video.path, enough), video.path)
        self._frames = VideoFrames(video.path)
        height, width = self._frames.read(self._indices[0]).shape[:2]
        if height % 2 or width % 2:
            raise UserError(
                f"{video.path}: expected an even width and height, found {width}x{height}; crop it first"
            )
        shapes = [(height, width)] * len(self._indices)
        super().__init__(_numbered(video.path, self._indices), shapes, [Path(video.path)])

    def _read(self, index: int) -> tuple[np.ndarray, Origin]:
        frame = self._frames.read(self._indices[index])
        height, width = self.shapes[index]
        if frame.shape[:2] != (height, width):
            raise UserError(
                f"{self._frames.path}: expected all frames to be {width}x{height}, found frame "
                f"{self._indices[index]} to be {frame.shape[1]}x{frame.shape[0]}"
            )
        return frame, Origin(self.names[index], picture_digest(frame), None)


def picture_digest(picture: np.ndarray) -> str:
    """Sha256 of a picture's size and pixels (uint8 H x W x 3), in hexadecimal."""
    digest = hashlib.sha256(f"{picture.shape[1]}x{picture.shape[0]}\n".encode())
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


def _even(height: int, width: int, name: str) -> Shape:
    if height < 2 or width < 2:
        raise UserError(f"{name}: expected an image of at least 2x2 pixels, found {width}x{height}")
    return height // 2 * 2, width // 2 * 2


def _numbered(path: str, indices: Sequence[int]) -> list[str]:
    return [f"{Path(path).stem}-{index:04d}" for index in indices]
