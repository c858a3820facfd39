"""Which files on this machine a source reads, so that the workflow can follow their changes."""

from superres.data.check_files import image_files
from superres.data.frame_ranges import frame_indices
from superres.data.sources import Images, Source, Video, Y4m


def source_files(source: Source) -> list[str]:
    """Paths of the files behind a source; none for what lies in a package."""
    match source.kind:
        case Y4m(path) | Video(path):
            return [path]
        case Images():
            files = image_files(source.kind)
            return [str(files[i]) for i in frame_indices(source.frames, len(files))]
        case _:
            return []
