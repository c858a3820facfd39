from snakemake.utils import min_version

min_version("9.0")


# Beside this file: a study may be run from any folder.
configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/run.smk"
include: "rules/cluster.smk"
include: "rules/verify.smk"
include: "rules/data.smk"
include: "rules/models.smk"
include: "rules/quantization.smk"
include: "rules/layers.smk"
include: "rules/arms.smk"
include: "rules/devices.smk"
include: "rules/shards.smk"
include: "rules/report.smk"
include: "rules/upscale.smk"


# On a cluster they stay on the submitting host, as what waits for devices does.
localrules:
    all,
    evaluate,
    download_package,
    fetch_file,
    check_device,
    clean_device,
    verify,
    repair,
    export_results,
    compare,
    recommend,
    profile,
    upscale,
    graphs,


onstart:
    # Repairing locks it before it removes files.
    if LOCK is None:
        begin_run(job.rule.name for job in workflow.dag.jobs)
    lift_job_limit()
    watch_cluster()
    show(workflow.logger_manager.get_log_handlers(), planned(), STUDY.name, log)


onsuccess:
    end_run()


onerror:
    end_failed_run(log)


rule all:
    default_target: True
    input:
        metrics=f"{RESULTS}/metrics.csv",
        table=expand(f"{RESULTS}/table1.{{kind}}", kind=["csv", "md"]),
        recommendation=f"{RESULTS}/recommendation.md",
        page=PATHS.page,
        plots=expand(
            f"{RESULTS}/plots/{{plot}}.{{kind}}",
            plot=PATHS.plots,
            kind=["svg", "png"],
        ),
        paper=[
            f"{RESULTS}/paper/table1.tex",
            *expand(f"{RESULTS}/paper/{{plot}}.pdf", plot=PATHS.plots),
        ],


# PSNR alone: no arm is timed.
rule evaluate:
    input:
        csv=f"{RESULTS}/evaluation.csv",
        md=f"{RESULTS}/evaluation.md",
        plots=expand(
            f"{RESULTS}/plots/{{plot}}.{{kind}}",
            plot=PATHS.evaluation_plots,
            kind=["svg", "png"],
        ),
        tools=expand(
            f"{RESULTS}/tools.{{kind}}", kind=["csv", "md"] if PATHS.tools else []
        ),


# The operations of every arm, timed apart from each other.
rule profile:
    input:
        csv=f"{RESULTS}/profile.csv",
        plot=expand(f"{RESULTS}/plots/operations.{{kind}}", kind=["svg", "png"]),


# Every network, operator by operator.
rule graphs:
    input:
        plots=expand(
            f"{RESULTS}/plots/{{plot}}.{{kind}}",
            plot=PATHS.graph_plots,
            kind=["svg", "png"],
        ),


# A video, twice as wide and high: --config upscale='{input: clip.mp4}'.
rule upscale:
    input:
        video=lambda wildcards: or_say(lambda: PATHS.upscaled_video),
