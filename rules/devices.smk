# Neither makes a file: each does its work whenever it is asked for, `snakemake check_device --config target=NAME`.
rule check_device:
    input:
        code=code("targets/remote/check.py"),
    log:
        f"{LOGS}/check_device.log",
    conda:
        "../envs/arms.yaml"
    threads: 1
    params:
        chosen=CHOSEN_TARGET,
        targets=tuple(STUDY.targets.values()),
        runtimes=asked_of_targets(),
    script:
        "../workflow/scripts/check_device.py"


rule clean_device:
    input:
        code=code("targets/remote/check.py"),
    log:
        f"{LOGS}/clean_device.log",
    conda:
        "../envs/arms.yaml"
    threads: 1
    params:
        chosen=CHOSEN_TARGET,
        targets=tuple(STUDY.targets.values()),
    script:
        "../workflow/scripts/clean_device.py"
