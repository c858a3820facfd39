"""Find the precisions of a study that differ in one setting only, to show its effect."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from superres.quantization.settings import Calibration
from superres.study.keys.arms import Arm
from superres.study.keys.study import Study


@dataclass(frozen=True)
class Series:
    """INT8 precisions that differ in one setting of their data, by its value in rising order."""

    label: str
    precisions: tuple[tuple[int, str], ...]


def differing_in(study: Study, setting: str) -> list[Series]:
    """Return the precisions that differ only in `images` or `seed`, a series for each calibration and recipe.

    Skips calibrations without the setting, and series of one. A label that several would have, as those of
    two calibration sets, gets the calibration's name.
    """
    found: dict[str, dict[int, str]] = defaultdict(dict)
    labels: dict[str, str] = {}
    for name, quantization in study.quantizations.items():
        calibration = study.calibrations[quantization.recipe.calibration]
        data = calibration.model_dump().get("data", {})
        if (value := data.pop(setting, None)) is None:
            continue
        rest = (calibration.method, dict(calibration.settings), data, quantization.recipe.steps)
        key = repr((*rest, quantization.float_layers))
        found[key].setdefault(value, f"int8-{name}")
        steps = "".join(f"+{step}" for step in quantization.recipe.steps)
        kept = f" with {', '.join(quantization.float_layers)} in float" if quantization.float_layers else ""
        labels[key] = f"{_label(calibration, data)}{steps}{kept}"
    several = [(labels[key], tuple(sorted(found[key].items()))) for key in found if len(found[key]) > 1]
    uses = Counter(label for label, _ in several)
    return [
        Series(label if uses[label] == 1 else f"{label} ({_shortest(precisions)})", precisions)
        for label, precisions in several
    ]


def _shortest(precisions: tuple[tuple[int, str], ...]) -> str:
    """Return the name of the calibration whose numbers of images a sweep makes: the others have a suffix."""
    return min((name for _, name in precisions), key=len).removeprefix("int8-")


def _label(calibration: Calibration, data: Mapping[str, Any]) -> str:
    """Return a calibration's method and the settings that tell it from others."""
    dummy = f" of {data['kind']} dummy data" if data["type"] == "random" else ""
    settings = "".join(
        f" {calibration.settings[key]}" for key in ("percentile", "preset") if key in calibration.settings
    )
    return f"{calibration.method}{settings}{dummy}"


def compared_arms(study: Study) -> list[Arm]:
    """Return the arms of external quantisers, and the arms of their runtimes in FP32 and on the same images.

    Empty without an external quantiser.
    """
    precisions = _of_same_images(study)
    runtimes = {arm.runtime for arm in study.arms if arm.precision in precisions}
    return [arm for arm in study.arms if arm.runtime in runtimes and arm.precision in ("fp32", *precisions)]


def _of_same_images(study: Study) -> list[str]:
    """Return the INT8 precisions of external quantisers, and all others on the same images."""
    used = {name: study.calibrations[q.recipe.calibration] for name, q in study.quantizations.items()}
    seen = [calibration.data for calibration in used.values() if calibration.tool]
    return [f"int8-{name}" for name, calibration in used.items() if calibration.data in seen]
