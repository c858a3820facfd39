"""What a study may state of a network of others; everything else is found. Light."""

from typing import Literal

from pydantic import Field

from superres.keys import Keys, Maybe, Scale

Layout = Literal["NCHW", "NHWC"]
Colour = Literal["rgb", "bgr", "ycbcr", "luma"]
Range = Literal["0..1", "0..255", "-1..1"]
Swing = Literal["full", "studio"]


class Adoption(Keys):
    """What is known of the network in an ONNX file. What is left out is found and written to a record."""

    input: Maybe[str] = Field(default=None, description="The name of the input for the picture.")
    output: Maybe[str] = Field(default=None, description="The name of the output with the larger picture.")
    scale: Maybe[Scale] = Field(
        default=None,
        description="How many times as wide and high the output is. In a study, a graph of another scale "
        "than 2 needs it, for clips are prepared by it; a wrong one is refused.",
    )
    layout: Maybe[Layout] = Field(default=None, description="Order of the input's dimensions.")
    colour: Maybe[Colour] = Field(
        default=None,
        description="Meaning of the channels; rgb for three channels and luma for one by default.",
    )
    range: Maybe[Range] = Field(
        default=None, description="Values from black to white, of the input and of the output."
    )
    swing: Maybe[Swing] = Field(
        default=None,
        description="Range of luma and chroma: full, or studio (luma of 16 to 235 of 255) as in MATLAB.",
    )
