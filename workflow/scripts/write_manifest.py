"""Write down what went into an arm and what came out."""

from pathlib import Path

from superres.provenance import code_commit
from superres.report.manifest import Arm, write_manifest
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    arm = snakemake.wildcards
    write_manifest(
        Arm(arm.target, arm.runtime, arm.model, arm.precision, snakemake.params.clip),
        Path(snakemake.input.engine_record),
        Path(snakemake.input.quality_record),
        Path(snakemake.input.latency_record),
        inputs={name: Path(snakemake.input[name]) for name in snakemake.params.traced},
        study=snakemake.params.study,
        commit=code_commit(),
        out=Path(snakemake.output.manifest),
    )
