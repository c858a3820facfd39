"""One calibration on several numbers of images: what `sweep` in a study stands for."""

from collections.abc import Mapping, Sequence
from typing import Any

from superres.device.base.errors import UserError

Entry = Mapping[str, Any]


def swept_name(calibration: str, images: int) -> str:
    """Name of a calibration on another number of images."""
    return f"{calibration}of{images}"


def with_sweep(full: Mapping[str, Any]) -> dict[str, Any]:
    """A completed configuration with the calibrations and precisions that its `sweep` stands for.

    The calibration NAME on n images is NAMEofn; the runtime of the sweep has these precisions as `swept`. A number of images for which the study has the calibration already adds nothing.
    Raises UserError for a calibration that doesn't exist, has no images or isn't run there, and for a name that is taken.
    """
    calibrations = list(full["calibrations"])
    swept: list[str] = []
    for i, name in enumerate(full["sweep"]["calibrations"]):
        key = f"sweep.calibrations[{i}]"
        base = _find(name, key, full)
        for images in full["sweep"]["images"]:
            entry = {**base, "name": swept_name(name, images), "data": {**base["data"], "images": images}}
            if _is_there(entry, calibrations):
                continue
            if entry["name"] in {other["name"] for other in calibrations}:
                raise UserError(
                    f"{key}: expected {entry['name']} to be free for {name} on {images} images, found another "
                    "calibration of that name; rename it"
                )
            calibrations.append(entry)
            swept.append(f"int8-{entry['name']}")
    runtimes = [
        {**runtime, "swept": swept if runtime["name"] == full["sweep"]["runtime"] else []}
        for runtime in full["runtimes"]
    ]
    return {**full, "calibrations": calibrations, "runtimes": runtimes}


def _find(name: str, key: str, full: Mapping[str, Any]) -> Entry:
    found = {entry["name"]: entry for entry in full["calibrations"]}
    if name not in found:
        raise UserError(
            f"{key}: expected a name from `calibrations` ({', '.join(found) or 'none'}), found {name!r}"
        )
    if "data" not in found[name]:
        raise UserError(
            f"{key}: expected a calibration with images, found {name}, whose method {found[name]['method']} has none"
        )
    runtime = full["sweep"]["runtime"]
    run = {one["name"]: one["precisions"] for one in full["runtimes"]}.get(runtime, ())
    if f"int8-{name}" not in run:
        raise UserError(
            f"{key}: expected int8-{name} among the precisions of {runtime}, the sweep's runtime, found it not there"
        )
    return found[name]


def _is_there(entry: Entry, others: Sequence[Entry]) -> bool:
    """Whether a calibration differs from another one in nothing but its name."""
    return any({**other, "name": entry["name"]} == entry for other in others)
