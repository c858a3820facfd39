# Neither makes a file, so each runs whenever it is asked for: `snakemake check_device --config target=NAME`.
rule check_device:
    log:
        f"{LOGS}/check_device.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    params:
        chosen=CHOSEN_TARGET,
        targets=list(STUDY.targets.values()),
        runtimes=SETTINGS.asked_of_targets(),
    script:
        "../workflow/scripts/check_device.py"


rule clean_device:
    log:
        f"{LOGS}/clean_device.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    params:
        chosen=CHOSEN_TARGET,
        targets=list(STUDY.targets.values()),
    script:
        "../workflow/scripts/clean_device.py"
