FRONTIER = f"{RESULTS}/frontier/{{model}}/{{recipe}}"


rule measure_sensitivity:
    input:
        unpack(of(PATHS.quantized, "model", "quantization")),
        fp32=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        hr=PATHS.clips("hr.npy"),
        lr=of(PATHS.twins, "model"),
        index=PATHS.clips("json"),
        disjoint=of(PATHS.disjoint_recipe, "model", "quantization"),
    output:
        sensitivity=report(
            f"{RESULTS}/sensitivity/{{model}}/{{quantization}}.csv",
            caption="../workflow/report/sensitivity.rst",
            category="Figures",
            labels={"table": "sensitivity", "model": "{model}"},
        ),
    log:
        f"{LOGS}/measure_sensitivity/{{model}}/{{quantization}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_sensitivity/{{model}}/{{quantization}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: max(1, workflow.cores // 2)
    resources:
        **needs("measure_sensitivity"),
    params:
        executor=lambda wildcards: SETTINGS.executor(
            STUDY.sensitivity.runtime, wildcards.model
        ),
        float_layers=of(SETTINGS.float_layers, "quantization"),
        frames=STUDY.sensitivity.frames if STUDY.sensitivity else None,
        quality=of(SETTINGS.protocol, "model"),
        code=lambda wildcards: code(
            "measure_sensitivity", *FACTS.executor_modules(STUDY.sensitivity.runtime)
        ),
    script:
        "../workflow/scripts/measure_sensitivity.py"


rule measure_subsets:
    input:
        fp32=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        onnx=of(PATHS.recipe_onnx, "model", "recipe"),
        ranges=of(PATHS.recipe_ranges, "model", "recipe"),
        frames=of(PATHS.recipe_frames, "recipe"),
    output:
        losses=f"{FRONTIER}.losses.csv",
    log:
        f"{LOGS}/measure_subsets/{{model}}/{{recipe}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_subsets/{{model}}/{{recipe}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: max(1, workflow.cores // 2)
    resources:
        **needs("measure_subsets"),
    params:
        executor=lambda wildcards: SETTINGS.executor(
            STUDY.steps.of("mixed")["runtime"], wildcards.model
        ),
        images=lambda wildcards: PATHS.recipe_calibration(wildcards.recipe).images,
        downsampling=STUDY.steps.of("mixed")["downsampling"],
        quality=of(SETTINGS.protocol, "model"),
        code=lambda wildcards: code(
            "measure_subsets",
            *FACTS.executor_modules(STUDY.steps.of("mixed")["runtime"]),
        ),
    script:
        "../workflow/scripts/measure_subsets.py"


rule time_subsets:
    input:
        onnx=of(PATHS.recipe_onnx, "model", "recipe"),
        ranges=of(PATHS.recipe_ranges, "model", "recipe"),
        losses=f"{FRONTIER}.losses.csv",
        frames=of(PATHS.recipe_frames, "recipe"),
    output:
        times=f"{FRONTIER}.times.csv",
    log:
        f"{LOGS}/time_subsets/{{model}}/{{recipe}}.log",
    benchmark:
        f"{BENCHMARKS}/time_subsets/{{model}}/{{recipe}}.tsv"
    conda:
        "../envs/workflow.yaml"
    # All cores: nothing else runs while subsets are timed.
    threads: workflow.cores
    resources:
        **needs("time_subsets"),
    params:
        executor=lambda wildcards: SETTINGS.executor(
            STUDY.steps.of("mixed")["runtime"], wildcards.model
        ),
        latency=STUDY.latency.timing,
        code=lambda wildcards: code(
            "time_subsets", *FACTS.executor_modules(STUDY.steps.of("mixed")["runtime"])
        ),
    script:
        "../workflow/scripts/time_subsets.py"


rule find_frontier:
    input:
        losses=f"{FRONTIER}.losses.csv",
        times=f"{FRONTIER}.times.csv",
    output:
        frontier=report(
            f"{FRONTIER}.csv",
            caption="../workflow/report/frontier.rst",
            category="Figures",
            labels={"table": "layers in float", "model": "{model}"},
        ),
    log:
        f"{LOGS}/find_frontier/{{model}}/{{recipe}}.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("find_frontier"),
    params:
        code=code("find_frontier"),
    script:
        "../workflow/scripts/find_frontier.py"
