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


# One job of a device at a time, by a resource of its own, and devices side by side. Without it, jobs that wait
# for one device's lock would take the cores that the other needs.
for name in PATHS.devices:
    workflow.register_resource(f"device_{name}", 1)
DEVICE = {f"device_{name}": only_on(name) for name in PATHS.devices}


# Jobs on devices are rules of their own: they only wait here, so they take one thread, and begin before jobs
# of this machine. On a cluster they stay on the submitting host, which has the keys.
localrules:
    build_engine_on_device,
    measure_quality_on_device,
    measure_latency_on_device,
    measure_roofline_on_device,
    measure_profile_on_device,


use rule build_engine as build_engine_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    priority: 1
    threads: 1
    resources:
        **DEVICE,


use rule measure_quality as measure_quality_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    priority: 1
    threads: 1
    resources:
        **DEVICE,


use rule measure_latency as measure_latency_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    priority: 1
    threads: 1
    resources:
        **DEVICE,


use rule measure_roofline as measure_roofline_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    priority: 1
    threads: 1
    resources:
        **DEVICE,


use rule measure_profile as measure_profile_on_device with:
    wildcard_constraints:
        target=any_of(PATHS.devices),
    priority: 1
    threads: 1
    resources:
        **DEVICE,


ruleorder: build_engine_on_device > build_engine
ruleorder: measure_quality_on_device > measure_quality
ruleorder: measure_latency_on_device > measure_latency
ruleorder: measure_roofline_on_device > measure_roofline
ruleorder: measure_profile_on_device > measure_profile
