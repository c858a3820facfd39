"""Matrix, range and chroma siting of a video: what the study says, else the file, else HD or SD. Light."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from pydantic import Field

from superres.keys import Keys

HD_HEIGHT, HD_WIDTH = 720, 1280
"""A video of at least this height or width is HD."""


@dataclass(frozen=True)
class Tags:
    """What a file, or a study, says of the colours of a video; None where it says nothing.

    `matrix` is one of `yuv.LUMA_WEIGHTS`, `range` `limited` or `full`, `siting` one of `yuv.COSITED`.
    """

    matrix: str | None = None
    range: str | None = None
    siting: str | None = None


@dataclass(frozen=True)
class Colour:
    """The matrix, range and chroma siting that a video is converted by."""

    matrix: str
    range: str
    siting: str


class ColourKeys(Keys):
    """The keys of a video's colours. `auto` takes what the file says."""

    matrix: Annotated[
        Literal["auto", "bt709", "bt601", "bt2020"],
        Field(
            description="Colour matrix. auto is what the file says; if it says nothing, bt709 for HD "
            f"(from {HD_HEIGHT} rows or {HD_WIDTH} columns on), else bt601."
        ),
    ] = "auto"
    range: Annotated[
        Literal["auto", "limited", "full"],
        Field(
            description="Range of the code values; limited is 16 to 235. auto is what the file says, else "
            "limited."
        ),
    ] = "auto"
    siting: Annotated[
        Literal["auto", "left", "center", "topleft"],
        Field(
            description="Position of chroma samples. auto is what the file says, else left (center for a y4m "
            "file of SD)."
        ),
    ] = "auto"

    @property
    def wanted(self) -> Tags:
        """What the study says."""
        said = {field.name: getattr(self, field.name) for field in fields(Tags)}
        return Tags(**{name: value for name, value in said.items() if value != "auto"})


def is_hd(height: int, width: int) -> bool:
    """Return whether frames of this size are HD."""
    return height >= HD_HEIGHT or width >= HD_WIDTH


def settle(said: Tags, height: int, width: int, wanted: Tags | None = None, siting: str = "left") -> Colour:
    """Return what a video is converted by: `wanted` by the study, else `said` by the file, else HD or SD.

    `siting` is taken if neither names one.
    """
    wanted = wanted or Tags()
    return Colour(
        wanted.matrix or said.matrix or ("bt709" if is_hd(height, width) else "bt601"),
        wanted.range or said.range or "limited",
        wanted.siting or said.siting or siting,
    )


def contradictions(said: Tags, wanted: Tags, where: str) -> list[str]:
    """Return a line for each thing that the file says and the study says otherwise."""
    return [
        f"{where}: {name} {asked} is used, as the study says; the file says {found}"
        for name in (field.name for field in fields(Tags))
        if (asked := getattr(wanted, name)) and (found := getattr(said, name)) and asked != found
    ]
