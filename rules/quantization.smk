rule observe_activations:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        frames=observed_frames,
        code=code("quantization/ranges/observation.py"),
    output:
        observed=f"{RESULTS}/ranges/{{model}}/observed/{{images}}.npz",
    log:
        f"{LOGS}/observe_activations/{{model}}/{{images}}.log",
    benchmark:
        f"{BENCHMARKS}/observe_activations/{{model}}/{{images}}.tsv"
    wildcard_constraints:
        images="[a-z0-9_-]+",
    conda:
        "../envs/quantization.yaml"
    threads: max(1, workflow.cores // 2)
    params:
        images=observed_images,
    script:
        "../workflow/scripts/observe_activations.py"


rule calibrate_ranges:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        observed=observed_activations,
        replayed=replayed_cache,
        code=code("quantization/ranges/calibrate.py"),
    output:
        ranges=f"{RESULTS}/ranges/{{model}}/{{calibration}}.json",
        cache=f"{RESULTS}/ranges/{{model}}/{{calibration}}.cache",
    log:
        f"{LOGS}/calibrate_ranges/{{model}}/{{calibration}}.log",
    benchmark:
        f"{BENCHMARKS}/calibrate_ranges/{{model}}/{{calibration}}.tsv"
    conda:
        "../envs/quantization.yaml"
    threads: 1
    params:
        calibration=calibration_settings,
    script:
        "../workflow/scripts/calibrate_ranges.py"


rule refine_onnx:
    input:
        onnx=refined_file("onnx"),
        ranges=refined_file("json"),
        frames=step_frames,
        measured=step_measured,
        code=lambda wildcards: code(
            "quantization/steps/refine.py", f"quantization/steps/{wildcards.step}.py"
        ),
    output:
        onnx=f"{RESULTS}/refined/{{model}}/{{recipe}}+{{step}}.onnx",
        ranges=f"{RESULTS}/refined/{{model}}/{{recipe}}+{{step}}.json",
    log:
        f"{LOGS}/refine_onnx/{{model}}/{{recipe}}+{{step}}.log",
    benchmark:
        f"{BENCHMARKS}/refine_onnx/{{model}}/{{recipe}}+{{step}}.tsv"
    conda:
        "../envs/quantization.yaml"
    threads: step_threads
    params:
        job=step_job,
    script:
        "../workflow/scripts/refine_onnx.py"


rule quantize_onnx:
    input:
        onnx=quantized_file("onnx"),
        ranges=quantized_file("json"),
        code=code("quantization/qdq.py"),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/int8-{{quantization}}.onnx",
    log:
        f"{LOGS}/quantize_onnx/{{model}}/{{quantization}}.log",
    wildcard_constraints:
        quantization=names_but(OF_TOOLS),
    conda:
        "../envs/quantization.yaml"
    threads: 1
    params:
        float_layers=float_layers,
    script:
        "../workflow/scripts/quantize_onnx.py"


rule tabulate_onnx:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/int8-{{quantization}}.onnx",
        code=code("quantization/fixed_point.py"),
    output:
        tables=f"{RESULTS}/onnx/{{model}}/int8-{{quantization}}.tables.npz",
    log:
        f"{LOGS}/tabulate_onnx/{{model}}/{{quantization}}.log",
    conda:
        "../envs/quantization.yaml"
    threads: 1
    script:
        "../workflow/scripts/tabulate_onnx.py"


rule quantize_by_tool:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        frames=tool_frames,
        code=lambda wildcards: code(
            "quantization/tools/run.py",
            f"quantization/tools/{STUDY.calibrations[wildcards.calibration].tool}.py",
        ),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/int8-{{calibration}}.onnx",
        record=f"{RESULTS}/onnx/{{model}}/int8-{{calibration}}.json",
    log:
        f"{LOGS}/quantize_by_tool/{{model}}/{{calibration}}.log",
    benchmark:
        f"{BENCHMARKS}/quantize_by_tool/{{model}}/{{calibration}}.tsv"
    wildcard_constraints:
        calibration="|".join(OF_TOOLS) or NO_NAME,
    conda:
        "../envs/others.yaml"
    # Neither tool can be told how many processors it may use.
    threads: workflow.cores
    params:
        tool=lambda wildcards: STUDY.calibrations[wildcards.calibration].tool,
        preset=lambda wildcards: STUDY.calibrations[wildcards.calibration].settings[
            "preset"
        ],
        data=lambda wildcards: STUDY.calibrations[wildcards.calibration].data,
    script:
        "../workflow/scripts/quantize_by_tool.py"
