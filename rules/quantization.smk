rule observe_activations:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        frames=of(PATHS.observed_frames, "images"),
    output:
        observed=f"{RESULTS}/ranges/{{model}}/observed/{{images}}.npz",
    log:
        f"{LOGS}/observe_activations/{{model}}/{{images}}.log",
    benchmark:
        f"{BENCHMARKS}/observe_activations/{{model}}/{{images}}.tsv"
    wildcard_constraints:
        images="[a-z0-9_-]+",
    conda:
        "../envs/workflow.yaml"
    threads: max(1, workflow.cores // 2)
    resources:
        **needs("observe_activations"),
    params:
        observation=of(SETTINGS.observation, "images"),
        code=code("observe_activations"),
    script:
        "../workflow/scripts/observe_activations.py"


rule calibrate_ranges:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        observed=of(PATHS.observed, "model", "calibration"),
        replayed=of(PATHS.replayed_cache, "calibration"),
    output:
        ranges=f"{RESULTS}/ranges/{{model}}/{{calibration}}.json",
        cache=f"{RESULTS}/ranges/{{model}}/{{calibration}}.cache",
    log:
        f"{LOGS}/calibrate_ranges/{{model}}/{{calibration}}.log",
    benchmark:
        f"{BENCHMARKS}/calibrate_ranges/{{model}}/{{calibration}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("calibrate_ranges"),
    params:
        calibration=of(SETTINGS.calibration, "calibration"),
        code=code("calibrate_ranges"),
    script:
        "../workflow/scripts/calibrate_ranges.py"


rule refine_onnx:
    input:
        unpack(of(PATHS.refined, "model", "recipe", "step")),
    output:
        onnx=f"{RESULTS}/refined/{{model}}/{{recipe}}+{{step}}.onnx",
        ranges=f"{RESULTS}/refined/{{model}}/{{recipe}}+{{step}}.json",
    log:
        f"{LOGS}/refine_onnx/{{model}}/{{recipe}}+{{step}}.log",
    benchmark:
        f"{BENCHMARKS}/refine_onnx/{{model}}/{{recipe}}+{{step}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: lambda wildcards: SETTINGS.step_threads(wildcards.step, max(1, workflow.cores // 2))
    resources:
        **needs("refine_onnx"),
    params:
        job=of(SETTINGS.step, "recipe", "step"),
        code=lambda wildcards: code("refine_onnx", FACTS.step_module(wildcards.step)),
    script:
        "../workflow/scripts/refine_onnx.py"


rule quantize_onnx:
    input:
        unpack(of(PATHS.quantized, "model", "quantization")),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/int8-{{quantization}}.onnx",
        record=f"{RESULTS}/onnx/{{model}}/int8-{{quantization}}.json",
    log:
        f"{LOGS}/quantize_onnx/{{model}}/{{quantization}}.log",
    wildcard_constraints:
        quantization=any_of(
            name for name in STUDY.quantizations if name not in PATHS.tools
        ),
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("quantize_onnx"),
    params:
        float_layers=of(SETTINGS.float_layers, "quantization"),
        code=code("quantize_onnx"),
    script:
        "../workflow/scripts/quantize_onnx.py"


rule quantize_by_tool:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        frames=lambda wildcards: PATHS.calibration_frames(
            STUDY.calibrations[wildcards.calibration]
        ),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/int8-{{calibration}}.onnx",
        record=f"{RESULTS}/onnx/{{model}}/int8-{{calibration}}.json",
    log:
        f"{LOGS}/quantize_by_tool/{{model}}/{{calibration}}.log",
    benchmark:
        f"{BENCHMARKS}/quantize_by_tool/{{model}}/{{calibration}}.tsv"
    wildcard_constraints:
        calibration=any_of(PATHS.tools),
    conda:
        "../envs/workflow.yaml"
    # Neither tool can be told how many processors it may use.
    threads: workflow.cores
    resources:
        **needs("quantize_by_tool"),
    params:
        calibration=of(SETTINGS.calibration, "calibration"),
        code=lambda wildcards: code(
            "quantize_by_tool", FACTS.tool_module(PATHS.tools[wildcards.calibration])
        ),
    script:
        "../workflow/scripts/quantize_by_tool.py"
