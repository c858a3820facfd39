"""Lines about a study: what is left out, and what its figures have to do without."""

from collections.abc import Collection
from itertools import product
from pathlib import Path

from superres.device.machine.facts import adds_in_16_bits, describe_machine
from superres.device.runtimes import about
from superres.models.settings import architecture_of, is_baseline
from superres.quantization.settings import INSTALL
from superres.study.check.left_out import place_of
from superres.study.check.used import used_sources
from superres.study.keys.study import Study
from superres.targets.settings import LOCAL


def study_notes(study: Study) -> list[str]:
    """Return a line for each thing left out, and for each thing of a checked file that frames don't keep."""
    return [*left_out_notes(study), *_source_notes(study), *_crop_notes(study), *_padding_notes(study)]


def planned_notes(study: Study, rules: Collection[str]) -> list[str]:
    """Return a line for each reference and column that a run of these rules has to do without.

    And one about INT8 arms whose sums may overflow on this machine.
    """
    timed = {"measure_latency", "measure_latency_on_device"} & set(rules)
    return [
        *(_overflow_notes(study, rules) if adds_in_16_bits(describe_machine()) else []),
        *(_reference_notes(study) if timed else []),
        *(_column_notes(study) if "write_table" in rules else []),
    ]


def table_notes(study: Study) -> list[str]:
    """Return a line for each clip, tool, reference and column that the study has to do without."""
    return [*left_out_notes(study), *_reference_notes(study), *_column_notes(study)]


def place_notes(study: Study) -> list[str]:
    """Return a line for each path that leads to something beside the study file only."""
    return [
        f"{written} is taken from {found}, beside the study's file: the working directory has none."
        for written, found in study.beside.items()
    ]


def left_out_notes(study: Study) -> list[str]:
    """Return a line for each clip and each calibration that is left out."""
    clips = [
        f"Clip `{clip.name}` is left out: {place_of(clip)} isn't there." for clip in study.left_out.values()
    ]
    tools = [
        f"INT8 {calibration.name} is left out: the package {calibration.method} isn't installed; `{INSTALL}` "
        "does it."
        for calibration in study.missing.values()
    ]
    return clips + tools


def _source_notes(study: Study) -> list[str]:
    return [
        f"{where}: {note}"
        for where, source, _ in used_sources(study)
        if source.pinned is None or Path(source.pinned.path).exists()
        for note in source.kind.notes(source)
    ]


def _crop_notes(study: Study) -> list[str]:
    """Return a line for each clip that is known to be cropped: its frames are no multiples of all scales."""
    step, lines = study.multiple, []
    for clip in study.clips.values():
        size = clip.source.size
        if size is not None and any(side % step for side in size):
            height, width = (side // step * step for side in size)
            lines.append(
                f"Clip `{clip.name}`: frames of {size[1]}x{size[0]} are cropped to {width}x{height}, "
                f"multiples of {step}: all models are measured on the same pixels."
            )
    return lines


def _padding_notes(study: Study) -> list[str]:
    """Return a line for each clip whose LR frames are known to be no whole number of a network's blocks."""
    lines = []
    for clip, model in product(study.clips.values(), study.models.values()):
        architecture = architecture_of(model.name, model)
        if clip.source.size is None or architecture is None:
            continue
        step = study.multiple
        height, width = (side // step * step // architecture.scale for side in clip.source.size)
        if height % architecture.block or width % architecture.block:
            lines.append(
                f"Clip `{clip.name}`: {model.name} works on blocks of {architecture.block} x "
                f"{architecture.block} pixels: it pads LR frames of {width}x{height} with zeros and crops "
                "its result."
            )
    return lines


def _overflow_notes(study: Study, rules: Collection[str]) -> list[str]:
    """Return a line about the arms of this machine that have larger weights than its INT8 sums allow."""
    # A clip in shards is measured by a rule of its own.
    arms = list(study.arms) if {"measure_quality", "measure_quality_shard"} & {*rules} else []
    if "upscale_video" in rules and study.upscale is not None:
        arms.append(study.upscale.arm)
    here = [arm for arm in arms if arm.target == LOCAL and not about(arm.runtime).device_bound]
    names = {arm.int8 for arm in here}
    recipes = {name: found.recipe for name, found in study.quantizations.items() if name in names}
    wide = sorted(name for name, recipe in recipes.items() if "reducerange" not in recipe.steps)
    others = sorted({arm.model for arm in here if arm.as_is})
    if not wide and not others:
        return []
    pictures = [f"INT8 {', '.join(wide)}"] * bool(wide) + [f"{', '.join(others)} as they are"] * bool(others)
    return [
        "This processor adds two INT8 products in 16 bits (x86 without VNNI), which can overflow: pictures "
        f"of {' and of '.join(pictures)} may be wrong here. int8-tuned has the step reducerange against that."
    ]


def _reference_notes(study: Study) -> list[str]:
    """Return a line for each reference that is no arm; a scale whose only model is bicubic needs none."""
    timed = {study.scale_of(arm.model) for arm in study.arms if not is_baseline(arm.model)}
    references = [
        study.reference(scale).on(target)
        for target in dict.fromkeys(arm.target for arm in study.arms)
        for scale in sorted(timed or study.scales)
    ]
    return [
        f"No ratios of speeds on {reference.target}{_at_scale(study, reference.model)}: the reference "
        f"{reference.folder} is no arm of this study."
        for reference in references
        if reference not in study.arms
    ]


def _at_scale(study: Study, model: str) -> str:
    """Return the scale of a model in words, if the study has several."""
    known = len(study.scales) > 1 and model in study.models
    return f" at x{study.scale_of(model)}" if known else ""


def _column_notes(study: Study) -> list[str]:
    """Return a line if no arm has the calibration of the column of calibrated INT8.

    TensorRT's own INT8 of a calibration stands there too: see `in_papers_columns`.
    """
    calibrated = study.table.calibrated
    int8 = {arm.int8 for arm in study.arms if arm.int8 is not None}
    others = {name.removeprefix("trt-") for name in int8} - {"dummy"}
    if {calibrated, f"trt-{calibrated}"} & int8 or not others:
        return []
    known = ", ".join(sorted(others))
    return [
        f'The column "INT8 w/ calibration" is empty: table.calibrated is {calibrated}, which no arm has; '
        f"it may be {known}."
    ]
