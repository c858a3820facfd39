"""Still pictures as frames: whole, or cut to one size."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from superres.data.sources.reading import Shape
from superres.data.sources.source import Source, SourceKind
from superres.device.base.errors import UserError
from superres.keys import Maybe, Whole

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Cut:
    """The part of a picture that is a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def shape(self) -> Shape:
        """Its size (height, width)."""
        return self.height, self.width

    def of(self, picture: "np.ndarray") -> "np.ndarray":
        """Return the part of a picture H x W x 3."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


Side = Annotated[Whole, Field(ge=2, le=16384, multiple_of=2)]


class Pictures(SourceKind):
    """A kind of still pictures: whole, of any sizes, or cut to one size."""

    width: Annotated[Maybe[Side], Field(description="Width of crops, even; needs `height`.")] = None
    height: Annotated[
        Maybe[Side],
        Field(
            description="Height of crops. Without both, pictures stay whole; of odd sizes they lose the last "
            "row or column."
        ),
    ] = None
    tiles: Annotated[
        bool,
        Field(
            description="If true, a picture gives as many crops as fit, side by side; else the middle one."
        ),
    ] = False

    @model_validator(mode="after")
    def _check_crops(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("expected width and height together, found only one")
        if self.tiles and self.width is None:
            raise ValueError("expected width and height next to tiles, found none")
        return self

    def size(self, source: Source) -> Shape | None:
        """Return the size of the crops; None without."""
        return None if self.width is None or self.height is None else (self.height, self.width)

    def cuts(self, shape: Shape, name: str) -> list[Cut]:
        """Return the frames that a picture (height, width) gives; raises UserError if it is too small."""
        rows, columns = shape
        if self.width is None or self.height is None:
            if rows < 2 or columns < 2:
                raise UserError(f"{name}: expected an image of at least 2x2 pixels, found {columns}x{rows}")
            return [Cut(0, 0, rows // 2 * 2, columns // 2 * 2)]
        down, across = rows // self.height, columns // self.width
        if not down or not across:
            raise UserError(
                f"{name}: expected at least {self.width}x{self.height} pixels, as the source's width and height "
                f"say, found {columns}x{rows}; lower them, or exclude the image"
            )
        down, across = (down, across) if self.tiles else (1, 1)
        top, left = (rows - down * self.height) // 2, (columns - across * self.width) // 2
        return [
            Cut(top + i * self.height, left + j * self.width, self.height, self.width)
            for i in range(down)
            for j in range(across)
        ]

    def named_cuts(self, shape: Shape, name: str, where: str) -> list[tuple[str, Cut]]:
        """Return the same with the name of each frame, by the picture's `name`; errors name `where`."""
        cuts = self.cuts(shape, where)
        return [(name if len(cuts) == 1 else f"{name}#{i}", cut) for i, cut in enumerate(cuts)]
