"""What a study goes on without, in a line each: printed when a run starts, and part of its tables."""

from superres.study.check import left_out_notes
from superres.study.paths import Paths


def study_notes(paths: Paths) -> list[str]:
    """A line for each clip, tool, reference and column that the study has to do without."""
    return [*left_out_notes(paths.study), *_reference_notes(paths), *_table_notes(paths)]


def _reference_notes(paths: Paths) -> list[str]:
    references = [paths.study.reference.on(target) for target in paths.targets]
    return [
        f"No ratios of speeds on {reference.target}: the reference {reference.folder} is no arm of this study."
        for reference in references
        if reference not in paths.study.arms
    ]


def _table_notes(paths: Paths) -> list[str]:
    """A line where the column of calibrated INT8 stays empty because no arm has that calibration."""
    calibrated = paths.study.table.calibrated
    others = {arm.precision for arm in paths.study.arms if arm.int8 is not None} - {"int8-dummy"}
    if f"int8-{calibrated}" in others or not others:
        return []
    known = ", ".join(sorted(name.removeprefix("int8-") for name in others))
    return [
        f'The column "INT8 w/ calibration" is empty: table.calibrated is {calibrated}, which no arm has; '
        f"it may be {known}."
    ]
