"""Write down what went into an arm and what came out."""

from pathlib import Path

from superres.code_version import describe_code, describe_libraries
from superres.report.manifest import ArmOnClip, Background, write_manifest
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    arm, tasks = snakemake.wildcards, ("engine", "quality", "latency")
    code, libraries = describe_code(snakemake.params.modules), describe_libraries(snakemake.params.libraries)
    write_manifest(
        ArmOnClip(arm.target, arm.runtime, arm.model, arm.precision, snakemake.params.clip),
        {task: Path(snakemake.input[f"{task}_record"]) for task in tasks},
        inputs={name: Path(snakemake.input[name]) for name in snakemake.params.traced},
        outputs={task: Path(snakemake.input[task]) for task in tasks},
        background=Background(snakemake.params.study, code, libraries),
        out=Path(snakemake.output.manifest),
        timed_on=snakemake.params.timed_on,
    )
