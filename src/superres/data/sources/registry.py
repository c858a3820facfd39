"""The kinds of sources that a study can name: one line each, and one module beside this one."""

from typing import Annotated

from pydantic import Field

from superres.data.sources.images import Images
from superres.data.sources.package_images import PackageImages
from superres.data.sources.turning_view import TurningView
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.data.sources.zip_images import ZipImages

# What the key `source` of a study takes; `type` says which kind it is.
AnySource = Annotated[
    TurningView | PackageImages | Images | ZipImages | Y4m | Video,
    Field(discriminator="type"),
]
