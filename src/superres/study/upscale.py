"""The video that a study upscales."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.device.base.errors import UserError
from superres.study.model import Arm, Upscale
from superres.upscale.codecs import chosen_codec

_WORST_CRF = 51


def parse_upscale(full: Mapping[str, Any], arms: Sequence[Arm]) -> Upscale | None:
    """What the study says under `upscale`; None if it names no video.

    Raises UserError for an arm that the study hasn't, for an output that is the input or doesn't fit the codec, and for
    a quality that H.264 hasn't.
    """
    entry = full["upscale"]
    if "input" not in entry:
        return None
    source = entry["input"]
    output = entry.get("output", f"results/{full['study']}/upscaled/{Path(source).stem}.mkv")
    if Path(source).resolve() == Path(output).resolve():
        raise UserError(f"upscale.output: expected another file than the input, found {output}")
    try:
        chosen_codec(Path(output), entry["codec"])
    except UserError as error:
        raise UserError(f"upscale.output: {error}") from error
    if not str(entry["crf"]).isdecimal() or int(entry["crf"]) > _WORST_CRF:
        raise UserError(
            f"upscale.crf: expected a whole number from 0 to {_WORST_CRF}, found {entry['crf']!r}"
        )
    return Upscale(source, output, _arm(entry, arms), entry["codec"], int(entry["crf"]))


def _arm(entry: Mapping[str, Any], arms: Sequence[Arm]) -> Arm:
    """The arm that is named; the first of runtime, model and precision that no arm has with those before is the mistake."""
    left = [arm for arm in arms if arm.target == "local"]
    for name in ("runtime", "model", "precision"):
        known = list(dict.fromkeys(getattr(arm, name) for arm in left))
        left = [arm for arm in left if getattr(arm, name) == entry[name]]
        if not left:
            raise UserError(
                f"upscale.{name}: expected that of an arm of this study on this machine ({', '.join(known) or 'none'}), "
                f"found {entry[name]}"
            )
    return left[0]
