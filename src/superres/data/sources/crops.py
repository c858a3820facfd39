"""Still pictures as frames: whole, or cut to one size."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from superres.data.sources.reading import Shape
from superres.data.sources.source import SourceKind
from superres.device.base.errors import UserError
from superres.keys import Maybe, Whole

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Cut:
    """The part of a picture that is a frame, in pixels, and the size of the frame that it fills."""

    top: int
    left: int
    height: int
    width: int
    shape: Shape

    def of(self, picture: "np.ndarray") -> "np.ndarray":
        """Return the part of a picture H x W x 3."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]

    def filled(self, part: "np.ndarray") -> "np.ndarray":
        """Return the frame: the part in its middle, mirrored at its edges as often as it takes."""
        import numpy as np

        if part.shape[:2] == self.shape:
            return part
        missing = [whole - size for whole, size in zip(self.shape, part.shape, strict=False)]
        return np.pad(part, [*((gap // 2, gap - gap // 2) for gap in missing), (0, 0)], "symmetric")


Side = Annotated[Whole, Field(ge=2, le=16384)]


class Pictures(SourceKind):
    """A kind of still pictures: whole, of any sizes, or cut to one size."""

    width: Annotated[Maybe[Side], Field(description="Width of centre crops; needs `height`.")] = None
    height: Annotated[
        Maybe[Side],
        Field(
            description="Height of centre crops. Without both, pictures stay whole. A clip's frames are "
            "cropped to a multiple of the models' scales."
        ),
    ] = None
    mirror: Annotated[
        bool,
        Field(
            description="If true, a picture that is smaller than the crop is mirrored at its edges until it "
            "fills it; else it is an error."
        ),
    ] = False

    @model_validator(mode="after")
    def _check_crops(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("expected width and height together, found only one")
        if self.mirror and self.width is None:
            raise ValueError("expected width and height next to mirror, found none")
        return self

    @property
    def stated(self) -> Shape | None:
        """The size of the crops; None without."""
        return None if self.width is None or self.height is None else (self.height, self.width)

    def cut(self, shape: Shape, name: str) -> Cut:
        """Return the part of a picture (height, width) that is a frame; raises UserError if too small."""
        rows, columns = shape
        if rows < 2 or columns < 2:
            raise UserError(f"{name}: expected an image of at least 2x2 pixels, found {columns}x{rows}")
        if self.width is None or self.height is None:
            return Cut(0, 0, rows, columns, shape)
        if not self.mirror and (rows < self.height or columns < self.width):
            raise UserError(
                f"{name}: expected at least {self.width}x{self.height} pixels, as width and height say, "
                f"found {columns}x{rows}; lower them, set mirror, or exclude the image"
            )
        height, width = min(rows, self.height), min(columns, self.width)
        return Cut((rows - height) // 2, (columns - width) // 2, height, width, (self.height, self.width))
