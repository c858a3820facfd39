from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/models.smk"
include: "rules/quantization.smk"
include: "rules/sensitivity.smk"
include: "rules/arms.smk"
include: "rules/devices.smk"
include: "rules/report.smk"
include: "rules/upscale.smk"


localrules:
    all,
    evaluate,
    check_device,
    clean_device,
    verify,
    profile,
    upscale,


onstart:
    lock_study()
    lift_job_limit()


rule all:
    default_target: True
    input:
        metrics=f"{RESULTS}/metrics.csv",
        table=expand(f"{RESULTS}/table1.{{kind}}", kind=["csv", "md"]),
        plots=expand(
            f"{RESULTS}/plots/{{plot}}.{{kind}}",
            plot=plot_names(),
            kind=["svg", "png"],
        ),
        samples=sample_pictures(),


# PSNR alone: no arm is timed.
rule evaluate:
    input:
        csv=f"{RESULTS}/evaluation.csv",
        md=f"{RESULTS}/evaluation.md",
        layers=expand(
            f"{RESULTS}/plots/{{plot}}.{{kind}}",
            plot=layer_plots(),
            kind=["svg", "png"],
        ),
        comparisons=evaluation_comparisons(),


# What a publication doesn't state; only a study that asks for it has something to find out.
if STUDY.forensics:

    include: "rules/forensics.smk"

    localrules:
        forensics,

    rule forensics:
        input:
            csv=f"{RESULTS}/forensics.csv",
            md=f"{RESULTS}/forensics.md",


# The operations of every arm, timed apart from each other.
rule profile:
    input:
        csv=f"{RESULTS}/profile.csv",
        plot=expand(f"{RESULTS}/plots/operations.{{kind}}", kind=["svg", "png"]),


# A video, twice as wide and high: --config upscale='{input: clip.mp4}'.
rule upscale:
    input:
        video=upscaled_video,


# Every precision, runtime and model is a target by its own name: `snakemake --cores 4 int8-minmax`.
for group, members in arm_groups().items():

    rule:
        name:
            group
        input:
            [
                f"{RESULTS}/arms/{arm.folder}/manifest{of_clip}.json"
                for arm in members
                for of_clip in OF_CLIP
            ],
