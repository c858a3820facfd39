rule observe_activations:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        frames=observed_frames,
        code=code("quantization/observation.py"),
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
        code=code("quantization/ranges.py"),
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


rule quantize_onnx:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        ranges=f"{RESULTS}/ranges/{{model}}/{{calibration}}.json",
        code=code("quantization/qdq.py"),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/int8-{{calibration}}.onnx",
    log:
        f"{LOGS}/quantize_onnx/{{model}}/{{calibration}}.log",
    conda:
        "../envs/quantization.yaml"
    threads: 1
    script:
        "../workflow/scripts/quantize_onnx.py"
