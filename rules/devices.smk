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


# Jobs on devices are rules of their own: they wait here for the device, which has a lock. So they take one
# thread, and on a cluster they stay on the submitting host, which has the keys.
localrules:
    build_engine_on_device,
    measure_quality_on_device,
    measure_latency_on_device,
    measure_roofline_on_device,
    measure_profile_on_device,


use rule build_engine as build_engine_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    threads: 1


use rule measure_quality as measure_quality_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    threads: 1


use rule measure_latency as measure_latency_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    priority: 0
    threads: 1


use rule measure_roofline as measure_roofline_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    threads: 1


use rule measure_profile as measure_profile_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    threads: 1


ruleorder: build_engine_on_device > build_engine
ruleorder: measure_quality_on_device > measure_quality
ruleorder: measure_latency_on_device > measure_latency
ruleorder: measure_roofline_on_device > measure_roofline
ruleorder: measure_profile_on_device > measure_profile
