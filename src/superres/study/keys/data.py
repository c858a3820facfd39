"""Keys of images: packages, files, clips, calibration sets and training sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetCoreSchemaHandler, ValidationInfo, model_validator
from pydantic_core import CoreSchema, core_schema

from superres.data import resampling
from superres.data.download.addresses import address_below, check_address, is_address, readable_address
from superres.data.sources.registry import AnySource
from superres.data.sources.source import (
    Download,
    Named,
    PackageFile,
    PinnedFile,
    Source,
    correct_path,
    resolve,
)
from superres.device.base.errors import UserError
from superres.keys import Count, Keys, Maybe, Name, Pixels, Seed, Some, mistake

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Downsampling = Annotated[
    resampling.Downsampling,
    Field(
        description="Kernel that makes LR from HR. bicubic is antialiased as in MATLAB's imresize. "
        "bicubic-matlab also rounds after each direction, as imresize does with 8-bit images. "
        "bicubic-aliased has no antialiasing."
    ),
]


@dataclass
class Found:
    """State that validators of a study share: what sources refer to, and where files are looked for.

    `data` is the first folder or address to look in, from the environment. `packages` and `files` are None
    until the study's are validated.
    """

    data: str | None = None
    mirror: str | None = None
    packages: Mapping[str, PackageFile] | None = None
    files: Mapping[str, Download] | None = None

    @property
    def mirrors(self) -> dict[str, str]:
        """Folders, or their addresses, to look in first, by the key that names each."""
        return {key: place for key, place in (("SUPERRES_DATA", self.data), ("mirror", self.mirror)) if place}


class Package(Keys):
    """A Python package whose wheel carries photographs."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100, description="The package's name.")
    version: Maybe[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!_-]*$", max_length=100)]] = Field(
        default=None,
        description="The pinned version. Leave it out for an installed package, such as a dependency.",
    )
    sha256: Maybe[Sha256] = Field(default=None, description="The wheel's sha256; needs `version`.")
    bytes: Maybe[Count] = Field(default=None, description="The wheel's size, which `snakemake -n` tells.")

    @model_validator(mode="after")
    def _check_pins(self) -> Self:
        for key, other in (("version", "sha256"), ("sha256", "version")):
            if getattr(self, key) is not None and getattr(self, other) is None:
                raise mistake(f"expected {other} next to {key}, found none; add it")
        return self

    @staticmethod
    def file(package: "Package", _: ValidationInfo) -> PackageFile:
        """Return the package that sources read."""
        return PackageFile(package.name, package.version, package.sha256, package.bytes)


class File(Keys):
    """A file that is fetched over a network."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=200,
        description="The file's name on this machine and on mirrors.",
    )
    url: str = Field(
        description="Its address, http or https, without user name and password, which belong in ~/.netrc. "
        "A query (?token=...) is used but never recorded."
    )
    bytes: Count = Field(description="The file's size.")
    sha256: Sha256 = Field(description="The file's sha256.")
    mismatch: Literal["error", "warn"] = Field(
        default="error",
        description="What to do with a file of the right size and another sha256. error refuses it. warn, "
        "for y4m files whose hash isn't certain, accepts it with a warning if its frames are whole.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            check_address(self.url, "url")
        except UserError as error:
            raise mistake(str(error).removeprefix("url: "), "url") from error
        if self.mismatch == "warn" and PurePosixPath(self.name).suffix != ".y4m":
            raise mistake(
                "expected warn for .y4m files only, whose structure can be checked, found it with "
                f"{self.name}",
                "mismatch",
            )
        return self

    @staticmethod
    def download(file: "File", info: ValidationInfo) -> Download:
        """Return the file's pins and the places that may have it."""
        pinned = PinnedFile(file.name, file.bytes, file.sha256, file.mismatch, readable_address(file.url))
        found: Found = info.context or Found()
        places = [_below(place, file.name, key) for key, place in found.mirrors.items()]
        return Download(pinned, (*places, file.url))


def _below(place: str, name: str, key: str) -> str:
    """Return the place of a file on a mirror."""
    if not is_address(place):
        if not Path(place).is_dir():
            raise mistake(
                f"expected a folder or an address, found nothing at {place}; {correct_path(Path(place))}",
                key=key,
            )
        return str(Path(place, name))
    try:
        check_address(place, key)
    except UserError as error:
        raise mistake(str(error).removeprefix(f"{key}: "), key=key) from error
    return address_below(place, name)


class _Resolved:
    """A source, written as the keys of its kind, with the package or file that it names."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(
            self._resolve,
            handler.generate_schema(AnySource),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )

    @staticmethod
    def _resolve(kind: Any, info: core_schema.ValidationInfo) -> Source:
        found: Found = info.context or Found()
        try:
            return resolve(kind, "", Named(found.packages or {}, found.files or {}))
        except UserError as error:
            key, _, text = str(error).partition(": ")
            raise mistake(text, *filter(None, [key.lstrip(".")]), later=True) from error


AnyOf = Annotated[Source, _Resolved()]
"""A source of frames."""


class Clip(Keys):
    """A clip to evaluate: a source of HR frames and the kernel that makes their LR twins."""

    name: Name = Field(description="The clip's name in file names and tables.")
    description: str = Field(default="", description="The content of the clip, for the table's notes.")
    downsampling: Downsampling = "bicubic"
    optional: bool = Field(
        default=False,
        description="If true, the clip is skipped when its file or folder is missing. The start of a run "
        "and the tables have a note.",
    )
    chroma: Literal["upscaled", "hr", "hr-420"] = Field(
        default="upscaled",
        description="Where the chroma of measured pictures comes from: upscaled by the arm, or from the HR "
        "frame, so that only luma counts. hr-420 halves and doubles HR's chroma, as a 4:2:0 video does.",
    )
    source: AnyOf = Field(description="Where frames come from.")


class CalibrationSet(Keys):
    """Centre crops, width x height, of the images of some sources."""

    name: Name = Field(description="The set's name in file names and tables.")
    width: Pixels = Field(description="Width of the centre crops in pixels.")
    height: Pixels = Field(description="Height of the centre crops in pixels.")
    shuffle: Maybe[Seed] = Field(
        default=None,
        description="Seed of a random order of the images, which makes the first of them a sample of all "
        "sources. By default they follow the sources, each by name.",
    )
    sources: Some[AnyOf] = Field(description="Where the images come from.")


class TrainingSet(Keys):
    """Images that a model is trained or validated on."""

    name: Name = Field(description="The set's name, which `training` refers to.")
    downsampling: Downsampling = "bicubic"
    sources: Some[AnyOf] = Field(description="Where the images come from.")
