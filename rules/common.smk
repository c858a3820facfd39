import os
import re
import sys
from dataclasses import asdict
from functools import cache, partial
from inspect import signature
from pathlib import Path

# Jobs find the package also where it is not installed, as in the environments of --sdm conda.
SOURCE = str(Path(workflow.basedir, "src"))
sys.path.insert(0, SOURCE)
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [SOURCE, os.getenv("PYTHONPATH")]))
)

from superres.code_version import code_digest, libraries_behind, modules_behind
from superres.data.sources.source import FILES, read_in_any_order
from superres.device.base.garbage import spare_imports
from superres.device.runtimes import engine_identity
from superres.study.check.notes import place_notes, study_notes
from superres.study.facts import Facts
from superres.study.job_settings import JobSettings
from superres.study.keys.arms import Arm
from superres.study.graph_paths import DOWNLOADS, PACKAGES
from superres.study.runs import needs as needs_of
from superres.study.paths import Paths
from superres.study.runs.before import (
    named,
    read_study,
    settle_environment,
    study_error,
)

# Snakemake's objects live to its end, too: looking through them takes a third of a dry run.
spare_imports(collect_after=100_000)

# No part of the study: `--config target=NAME` for check_device and clean_device, `archive=FILE` for others' results.
CHOSEN_TARGET, ARCHIVE = config.pop("target", None), config.pop("archive", None)

settle_environment(os.environ)
with study_error():
    STUDY = read_study(
        config,
        workflow.overwrite_configfiles,
        typed=workflow.config_settings.config,
        root=Path(workflow.basedir),
        own_environments=bool(workflow.deployment_settings.deployment_method),
    )

PATHS = Paths(STUDY)
SETTINGS = JobSettings(PATHS)
FACTS = Facts(PATHS)
RESULTS, LOGS, BENCHMARKS = PATHS.results, PATHS.logs, PATHS.benchmarks


wildcard_constraints:
    target="|".join(sorted({*PATHS.targets, *PATHS.devices})) or "(?!)",
    runtime="[a-z_]+",
    model="[a-z0-9_]+",
    precision="[a-z0-9+-]+",
    form="[a-z_]+",
    calibration="[a-z0-9]+",
    quantization=r"[a-z0-9]+(\+[a-z0-9]+)*",
    recipe=r"[a-z0-9]+(\+[a-z0-9]+)*",
    step="[a-z0-9]+",
    images="[a-z0-9_]+",
    clip="[a-z0-9_]+",
    shard="[0-9]+",
    scale="[1-8]",
    plot=r"[a-z0-9_]+(\.[a-z0-9_+]+)?",
    of_clip=r"(\.[a-z0-9_]+)?",
    wheel=r"[A-Za-z0-9._+!-]+\.whl",
    file="[A-Za-z0-9][A-Za-z0-9._-]*",


# Only where jobs are submitted are they tried again.
needs = partial(needs_of.needs, again=workflow.resource_settings.nodes is not None)


def seen(call):
    """A function with its signature noted: Snakemake looks at it twice a job, a tenth of a large dry run."""
    call.__signature__ = signature(call)
    return call


def of(method, *names):
    """Input or params function: what `method` gives for the wildcards of these names."""
    return seen(
        lambda wildcards: or_say(method, *(getattr(wildcards, name) for name in names))
    )


def of_arm(method, *names):
    """Input or params function: what `method` gives for the job's arm, and for further wildcards."""
    keys = ("target", "runtime", "model", "precision")

    def call(wildcards):
        arm = Arm(*(getattr(wildcards, key) for key in keys))
        return or_say(method, arm, *(getattr(wildcards, name) for name in names))

    return seen(call)


def or_say(method, *arguments):
    """What a method gives; an error of the user ends with one line, not with Snakemake's traceback."""
    with study_error(lambda: unknown()):
        return named(method, *arguments)


def of_clip(method):
    """Input function: what `method` gives for the clip that a file of an arm belongs to."""
    return seen(lambda wildcards: method(or_say(PATHS.named_clip, wildcards.of_clip)))


def listed(method, *names):
    """Params function for an object: Snakemake compares its `repr` only inside a builtin container."""
    return seen(
        lambda wildcards: [method(*(getattr(wildcards, name) for name in names))]
    )


# Of rules' scripts and of modules loaded by name: the digest of their code, so that an edit reruns the rule, the
# modules behind them, and the packages that these import. Thousands of arms have the same few.
code = cache(lambda *names: code_digest(*entries(names)))
modules = cache(lambda names: modules_behind(*entries(names)))
libraries = cache(lambda names: libraries_behind(modules(names)))


def entries(names):
    """Modules by their paths in the package, and rules' scripts by their names."""
    scripts = Path(workflow.basedir, "workflow/scripts")
    return [name if name.endswith(".py") else scripts / f"{name}.py" for name in names]


def any_of(names):
    """Pattern of these names, for a wildcard; one that nothing matches if there are none."""
    names = list(names)
    return f"({'|'.join(map(re.escape, names))})" if names else "(?!)"


# Jobs read this file too, in processes of their own: it is said once.
if workflow.is_main_process:
    for note in (*place_notes(STUDY), *study_notes(STUDY)):
        print(f"study {STUDY.name}: {note}", file=sys.stderr)


def only_on(name):
    """Resources function: the device of this name, for jobs of its arms."""
    return lambda wildcards: int(wildcards.target == name)
