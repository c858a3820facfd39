"""Videos whose size a study states, so that it is known before the file is there or opened."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from superres.data.sources.crops import Side
from superres.data.sources.reading import Shape
from superres.data.sources.source import SourceKind
from superres.device.base.errors import UserError
from superres.keys import Maybe


class SizedKeys(SourceKind):
    """A kind of videos, whose width and height may be stated."""

    width: Annotated[
        Maybe[Side],
        Field(
            description="Width of the frames as they are shown; needs `height`. A file that is there tells "
            "its size itself. With both keys, so does one that is fetched: engines that are made for a size "
            "don't wait for its frames, and an arm is timed once for clips of one size."
        ),
    ] = None
    height: Annotated[Maybe[Side], Field(description="Height of the frames as they are shown.")] = None

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("expected width and height together, found only one")
        return self

    @property
    def stated(self) -> Shape | None:
        """The size (height, width) that the study states."""
        return None if self.width is None or self.height is None else (self.height, self.width)

    def check_shape(self, path: str, found: Shape, smallest: int = 1) -> None:
        """Raise UserError if a file has another size than the study states, or smaller frames."""
        if min(found) < smallest:
            raise UserError(
                f"{path}: expected frames of at least {smallest}x{smallest} pixels, found "
                f"{found[1]}x{found[0]}; leave it out"
            )
        if self.stated not in (None, found):
            raise UserError(
                f"{path}: expected frames of {self.width}x{self.height}, as width and height say, found "
                f"{found[1]}x{found[0]}; correct them or leave them out"
            )
