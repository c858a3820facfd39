"""What the indices of frame files have in common: which frames, from which sources."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from superres.data.sources.reading import FrameReader
from superres.data.sources.source import Source
from superres.device.base.outputs import Outputs, write_json


def describe_source(source: Source) -> dict[str, object]:
    """A source as plain values for JSON: its kind's class name and every setting that it has."""
    refers = {"package": source.package, "pinned": source.pinned}
    return {
        "kind": type(source.kind).__name__,
        **source.kind.model_dump(exclude_none=True),
        **{key: dataclasses.asdict(value) for key, value in refers.items() if value is not None},
        "frames": source.frames.model_dump(),
    }


def each_frame(readers: Sequence[FrameReader]) -> Iterator[tuple[FrameReader, int]]:
    """Every frame of some readers, in order: its reader, and its place there."""
    for reader in readers:
        for i in range(len(reader)):
            yield reader, i


def write_index(path: Path, content: Mapping[str, object]) -> None:
    """Write an index as JSON, whole or not at all."""
    with Outputs({"index": str(path)}) as outputs:
        write_json(outputs["index"], content)
