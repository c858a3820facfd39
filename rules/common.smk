import fcntl
import os
import re
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

# Jobs find the package also where it is not installed, as in the environments of --sdm conda.
SOURCE = str(Path(workflow.basedir, "src"))
sys.path.insert(0, SOURCE)
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [SOURCE, os.getenv("PYTHONPATH")]))
)

from superres.data.sources.source import FILES, read_in_any_order
from superres.device.base.errors import UserError
from superres.device.machine.runtime_versions import engine_identity
from superres.imports import modules_behind
from superres.models.settings import weights_name
from superres.quantization.recipes import MEASURED, NEED_IMAGES, ONE_THREAD
from superres.study.check import check_study, leave_out_missing, left_out_notes
from superres.study.comparisons import compared_arms, differing_in
from superres.study.engines import (
    PYTORCH,
    SIZED,
    TENSORRT,
    build_settings,
    form_file,
    forms_of,
    frames_of,
    graph_of,
    kind_of,
    measured_arm,
)
from superres.study.files import frames_made_of, source_files
from superres.study.model import TRAINING_ROLES, Arm
from superres.study.parse import BASELINE, load_study
from superres.study.sensitivity import measured_recipes
from superres.targets.settings import Device

# What check_device and clean_device are for: `--config target=NAME`; no part of the study.
CHOSEN_TARGET = config.pop("target", None)

try:
    STUDY = leave_out_missing(
        load_study(
            config,
            Path(workflow.basedir, "workflow/schemas/study.schema.yaml"),
            os.environ.get("SUPERRES_DATA"),
        ),
        own_environments=bool(workflow.deployment_settings.deployment_method),
    )
    check_study(STUDY)
except UserError as error:
    # One line, instead of Snakemake's report of an exception in a file of ours.
    sys.exit(f"study error: {error}")

RESULTS = f"results/{STUDY.name}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
PACKAGES = "resources/packages"
DOWNLOADS = "resources/downloads"
# What a file of an arm carries in its name for each clip: nothing if the study names only one.
OF_CLIP = (
    {"": next(iter(STUDY.clips))}
    if len(STUDY.clips) + len(STUDY.left_out) == 1
    else {f".{name}": name for name in STUDY.clips}
)
# A folded model is no training of its own: it has the weights of another.
TRAINED = sorted(
    {
        weights_name(name)
        for name, model in STUDY.models.items()
        if model.weights == "train" and name != BASELINE
    }
)


# What the target evaluate measures.
EVALUATED = (*STUDY.arms, *STUDY.swept)
# Arms that others' tools are compared in, and the model and precision of the graphs behind them.
COMPARED = compared_arms(STUDY)
COMPARED_GRAPHS = [*dict.fromkeys((arm.model, arm.precision) for arm in COMPARED)]
# INT8 precisions whose graphs others' tools make.
OF_TOOLS = sorted(
    name
    for name, quantization in STUDY.quantizations.items()
    if STUDY.calibrations[quantization.recipe.calibration].tool
)
# A pattern that no name fits.
NO_NAME = "(?!)"


wildcard_constraints:
    target="[a-z0-9_-]+",
    runtime="[a-z_]+",
    model="[a-z0-9_]+",
    precision="[a-z0-9+-]+",
    calibration="[a-z0-9]+",
    quantization=r"[a-z0-9]+(\+[a-z0-9]+)*",
    recipe=r"[a-z0-9]+(\+[a-z0-9]+)*",
    step="[a-z0-9]+",
    images="[a-z0-9_]+",
    clip="[a-z0-9_]+",
    kind="float|int8",
    of_clip=r"(\.[a-z0-9_]+)?",
    wheel=r"[A-Za-z0-9._+!-]+\.whl",
    file="[A-Za-z0-9][A-Za-z0-9._-]*",


def lock_study():
    """Keep a second run away from this study: the system frees the lock when this process ends, however it ends."""
    path = Path(RESULTS, ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Kept open for as long as Snakemake runs.
    globals()["LOCK"] = path.open("w")
    try:
        fcntl.flock(LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(
            f"study error: {STUDY.name} is being run by another call of snakemake: wait for it, or stop it"
        )


def lift_job_limit():
    """Take away the limit on submissions a second, which is for clusters.

    For its sake Snakemake 9.27 looks at all ready jobs once more each second for every job that has finished (`JobScheduler.schedule`):
    after some hundred jobs that takes a processor of its own.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def code(*modules):
    """Modules behind a script, with all that they import: an edit of one reruns the rules that name it."""
    return [f"src/superres/{module}" for module in modules_behind(*modules)]


include: "common/data.smk"
include: "common/quantization.smk"
include: "common/arms.smk"
include: "common/provenance.smk"
include: "common/report.smk"


# Jobs read this file too, in processes of their own: it is said once.
if workflow.is_main_process:
    for note in study_notes():
        print(f"study {STUDY.name}: {note}", file=sys.stderr)
