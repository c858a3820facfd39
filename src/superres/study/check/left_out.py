"""Leave out what a study can do without: optional clips and calibrations that aren't there."""

from pathlib import Path

from superres.data.download.addresses import without_secrets
from superres.device.base.errors import UserError
from superres.quantization.settings import INSTALL, TOOLS
from superres.study.check.files import naming
from superres.study.check.used import used_calibrations
from superres.study.keys.data import Clip
from superres.study.keys.study import Study


@without_secrets()
def leave_out_missing(study: Study, *, own_environments: bool = False) -> Study:
    """Return the study without optional clips whose file or folder is missing; these are its `left_out`.

    Also drops optional calibrations whose tool isn't installed (its `missing`) and their arms, unless jobs
    have environments of their own. Raises UserError if no clip is left, and if a tool isn't installed whose
    calibration isn't optional.
    """
    study = study if own_environments else _leave_out_tools(study)
    missing = {name: clip for name, clip in study.clips.items() if clip.optional and not _is_there(clip)}
    if len(missing) == len(study.clips):
        places = ", ".join(str(place_of(clip)) for clip in missing.values())
        raise UserError(
            f"clips: expected at least one of {places}, found none; put one there, or correct its path"
        )
    present = {name: clip for name, clip in study.clips.items() if name not in missing}
    return study.but(clips=present, left_out=missing)


def _leave_out_tools(study: Study) -> Study:
    gone = {c.name: c for c in used_calibrations(study) if c.tool is not None and not TOOLS[c.tool].is_there}
    for calibration in gone.values():
        if not calibration.optional:
            raise UserError(
                f"calibration {calibration.name}: expected the package {calibration.method}, found it not "
                f"installed; install it with `{INSTALL}`, or take int8-{calibration.name} out of the study"
            )
    left = {name: q for name, q in study.quantizations.items() if q.recipe.calibration not in gone}
    reduced = study.but(quantizations=left, missing=gone)
    if not reduced.arms:
        raise UserError(
            f"runtimes: expected arms, found only those of {', '.join(gone)}, whose tool isn't installed"
        )
    return reduced


def place_of(clip: Clip) -> str | None:
    """Return the file or folder of a clip; None for a package or a fetched file."""
    return None if clip.source.pinned else clip.source.path


def _is_there(clip: Clip) -> bool:
    place = place_of(clip)
    with naming(f"clip {clip.name}"):
        return place is None or Path(place).exists()
