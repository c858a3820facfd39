# Asked for each arm.
IDENTITY = cache(engine_identity)
ARM = f"{RESULTS}/arms/{{target}}/{{runtime}}/{{model}}/{{precision}}"


# A graph with the conversion of 8-bit frames in it. superres.models.graphs.uint8 says which form a runtime
# gets.
rule write_uint8_graph:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/{{precision}}.onnx",
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/{{precision}}.{{form}}.onnx",
    log:
        f"{LOGS}/write_uint8_graph/{{model}}/{{precision}}.{{form}}.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("write_uint8_graph"),
    params:
        code=lambda wildcards: code(
            "write_uint8_graph", FACTS.form_module(wildcards.form)
        ),
    script:
        "../workflow/scripts/write_uint8_graph.py"


rule build_engine:
    input:
        unpack(of_arm(PATHS.engine_inputs)),
    output:
        engine=f"{ARM}/engine.bin",
        record=f"{ARM}/engine.json",
    log:
        f"{LOGS}/build_engine/{{target}}/{{runtime}}/{{model}}/{{precision}}.log",
    benchmark:
        f"{BENCHMARKS}/build_engine/{{target}}/{{runtime}}/{{model}}/{{precision}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: 2
    resources:
        **needs("build_engine"),
    params:
        settings=of_arm(SETTINGS.engine),
        known_sizes=of_arm(SETTINGS.known_sizes),
        device=of(SETTINGS.device, "target"),
        # Another version of the runtime or another card builds it again. Targets check what they have.
        identity=lambda wildcards: (
            IDENTITY(wildcards.runtime) if wildcards.target == "local" else {}
        ),
        # The runtime's module too: what is measured on the engine follows.
        code=lambda wildcards: code(
            FACTS.task_module("build_engine"), FACTS.runtime_module(wildcards.runtime)
        ),
    script:
        "../workflow/scripts/build_engine.py"


rule measure_quality:
    input:
        engine=f"{ARM}/engine.bin",
        engine_record=f"{ARM}/engine.json",
        hr=of_clip(lambda clip: PATHS.clip(clip, "hr.npy")),
        lr=of_arm(PATHS.twin, "of_clip"),
        clip=of_clip(lambda clip: PATHS.clip(clip, "json")),
        disjoint=of_arm(PATHS.disjoint, "of_clip"),
    output:
        quality=f"{ARM}/quality{{of_clip}}.csv",
        record=f"{ARM}/quality{{of_clip}}.json",
        sample=f"{ARM}/sample{{of_clip}}.npy",
    log:
        f"{LOGS}/measure_quality/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_quality/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: max(1, workflow.cores // 2)
    resources:
        **needs("measure_quality"),
    params:
        settings=of_arm(SETTINGS.quality, "of_clip"),
        device=of(SETTINGS.device, "target"),
        code=code(FACTS.task_module("measure_quality")),
    script:
        "../workflow/scripts/measure_quality.py"


# Timed jobs have no benchmark of Snakemake's: twice a second it would read the page tables of the process
# that is timed. Their records have seconds and memory.
rule measure_latency:
    input:
        unpack(of_arm(PATHS.reference_engine)),
        engine=f"{ARM}/engine.bin",
        engine_record=f"{ARM}/engine.json",
        lr=of_arm(PATHS.twin, "of_clip"),
        clip=of_clip(lambda clip: PATHS.clip(clip, "json")),
    output:
        latency=f"{ARM}/latency{{of_clip}}.csv",
        record=f"{ARM}/latency{{of_clip}}.json",
    log:
        f"{LOGS}/measure_latency/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    # After all that can run side by side, or it would wait for a core at a time.
    priority: -1
    conda:
        "../envs/workflow.yaml"
    # All cores: nothing else runs while an arm is timed.
    threads: workflow.cores
    resources:
        **needs("measure_latency"),
    params:
        settings=of_arm(SETTINGS.latency),
        device=of(SETTINGS.device, "target"),
        code=code(FACTS.task_module("measure_latency")),
    script:
        "../workflow/scripts/measure_latency.py"


rule measure_roofline:
    output:
        record=f"{RESULTS}/roofline/{{target}}.json",
    log:
        f"{LOGS}/measure_roofline/{{target}}.log",
    conda:
        "../envs/workflow.yaml"
    # All cores: nothing else runs while a target is timed.
    threads: workflow.cores
    resources:
        **needs("measure_roofline"),
    params:
        settings=STUDY.roofline.model_dump(),
        device=of(SETTINGS.device, "target"),
        code=code(FACTS.task_module("measure_roofline")),
    script:
        "../workflow/scripts/measure_roofline.py"


# Not timed with the arms: counters slow an engine down.
rule measure_profile:
    input:
        engine=f"{ARM}/engine.bin",
        engine_record=f"{ARM}/engine.json",
        lr=of_arm(PATHS.twin, "of_clip"),
        clip=of_clip(lambda clip: PATHS.clip(clip, "json")),
    output:
        profile=f"{ARM}/profile{{of_clip}}.csv",
        record=f"{ARM}/profile{{of_clip}}.json",
    log:
        f"{LOGS}/measure_profile/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    # As measure_latency.
    priority: -1
    conda:
        "../envs/workflow.yaml"
    # All cores: nothing else runs while layers are timed.
    threads: workflow.cores
    resources:
        **needs("measure_profile"),
    params:
        settings=of_arm(SETTINGS.profile),
        device=of(SETTINGS.device, "target"),
        code=code(FACTS.task_module("measure_profile")),
    script:
        "../workflow/scripts/measure_profile.py"


rule write_manifest:
    input:
        unpack(of_arm(FACTS.traced, "of_clip")),
        unpack(of_arm(PATHS.timing, "of_clip")),
        engine=f"{ARM}/engine.bin",
        engine_record=f"{ARM}/engine.json",
        quality=f"{ARM}/quality{{of_clip}}.csv",
        quality_record=f"{ARM}/quality{{of_clip}}.json",
    output:
        manifest=f"{ARM}/manifest{{of_clip}}.json",
    log:
        f"{LOGS}/write_manifest/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    # Side by side, after the timed jobs of this machine.
    priority: -2
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("write_manifest"),
    params:
        study=of_arm(FACTS.of_arm, "of_clip"),
        clip=of_clip(str),
        timed_on=of_clip(PATHS.timed_clip),
        traced=of_arm(
            lambda arm, of_clip: sorted(FACTS.traced(arm, of_clip)), "of_clip"
        ),
        # Found here once for all arms: a job would read each module again.
        modules=of_arm(lambda arm: modules(FACTS.code_behind(arm))),
        libraries=of_arm(lambda arm: libraries(FACTS.code_behind(arm))),
        code=of_arm(lambda arm: code("write_manifest", *FACTS.code_behind(arm))),
    script:
        "../workflow/scripts/write_manifest.py"


# Every precision, runtime and model is a target by its own name: `snakemake --cores 4 int8-minmax`.
for group, members in PATHS.arm_groups().items():

    rule:
        name:
            group
        input:
            PATHS.arm_files("manifest{of_clip}.json", members),
