FRONTIER = f"{RESULTS}/frontier/{{model}}/{{recipe}}"


rule measure_sensitivity:
    input:
        fp32=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        onnx=quantized_file("onnx"),
        ranges=quantized_file("json"),
        hr=expand(f"{RESULTS}/frames/{{clip}}.hr.npy", clip=STUDY.clips),
        lr=expand(f"{RESULTS}/frames/{{clip}}.lr.npy", clip=STUDY.clips),
        index=expand(f"{RESULTS}/frames/{{clip}}.json", clip=STUDY.clips),
        disjoint=disjoint_from_quantized,
        code=lambda wildcards: measuring_code(
            "quantization/layers/sensitivity.py", STUDY.sensitivity.runtime
        ),
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
        "../envs/sensitivity.yaml"
    threads: max(1, workflow.cores // 2)
    params:
        executor=lambda wildcards: graph_executor(STUDY.sensitivity.runtime),
        float_layers=float_layers,
        frames=STUDY.sensitivity.frames if STUDY.sensitivity else None,
        quality=dict(STUDY.quality),
    script:
        "../workflow/scripts/measure_sensitivity.py"


rule plot_sensitivity:
    input:
        tables=sensitivity_tables(),
        code=code("report/plots/layer_plots.py"),
    output:
        svg=report(
            f"{RESULTS}/plots/sensitivity.svg",
            caption="../workflow/report/plot_sensitivity.rst",
            category="Plots",
        ),
        png=f"{RESULTS}/plots/sensitivity.png",
    log:
        f"{LOGS}/plot_sensitivity.log",
    conda:
        "../envs/sensitivity.yaml"
    threads: 1
    script:
        "../workflow/scripts/plot_sensitivity.py"


rule measure_subsets:
    input:
        fp32=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        onnx=refined_file("onnx"),
        ranges=refined_file("json"),
        frames=recipe_frames,
        code=lambda wildcards: measuring_code(
            "quantization/layers/subsets.py", STUDY.steps["mixed"]["runtime"]
        ),
    output:
        losses=f"{FRONTIER}.losses.csv",
    log:
        f"{LOGS}/measure_subsets/{{model}}/{{recipe}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_subsets/{{model}}/{{recipe}}.tsv"
    conda:
        "../envs/sensitivity.yaml"
    threads: max(1, workflow.cores // 2)
    params:
        executor=lambda wildcards: graph_executor(STUDY.steps["mixed"]["runtime"]),
        images=lambda wildcards: recipe_calibration(wildcards).data.get("images"),
        downsampling=STUDY.steps["mixed"]["downsampling"],
        quality=dict(STUDY.quality),
    script:
        "../workflow/scripts/measure_subsets.py"


rule time_subsets:
    input:
        onnx=refined_file("onnx"),
        ranges=refined_file("json"),
        losses=f"{FRONTIER}.losses.csv",
        frames=recipe_frames,
        code=lambda wildcards: measuring_code(
            "quantization/layers/subsets.py", STUDY.steps["mixed"]["runtime"]
        ),
    output:
        times=f"{FRONTIER}.times.csv",
    log:
        f"{LOGS}/time_subsets/{{model}}/{{recipe}}.log",
    benchmark:
        f"{BENCHMARKS}/time_subsets/{{model}}/{{recipe}}.tsv"
    conda:
        "../envs/sensitivity.yaml"
    # All cores: nothing else runs while subsets are timed.
    threads: workflow.cores
    params:
        executor=lambda wildcards: graph_executor(STUDY.steps["mixed"]["runtime"]),
        latency=dict(STUDY.latency),
    script:
        "../workflow/scripts/time_subsets.py"


rule find_frontier:
    input:
        losses=f"{FRONTIER}.losses.csv",
        times=f"{FRONTIER}.times.csv",
        code=code("quantization/layers/frontier.py"),
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
        "../envs/sensitivity.yaml"
    threads: 1
    script:
        "../workflow/scripts/find_frontier.py"


rule plot_frontier:
    input:
        tables=frontier_tables,
        code=code("report/plots/layer_plots.py"),
    output:
        svg=report(
            f"{RESULTS}/plots/frontier.{{recipe}}.svg",
            caption="../workflow/report/plot_frontier.rst",
            category="Plots",
            labels={"plot": "layers in float", "recipe": "{recipe}"},
        ),
        png=f"{RESULTS}/plots/frontier.{{recipe}}.png",
    log:
        f"{LOGS}/plot_frontier/{{recipe}}.log",
    conda:
        "../envs/sensitivity.yaml"
    threads: 1
    params:
        budget_db=STUDY.steps["mixed"]["budget_db"],
    script:
        "../workflow/scripts/plot_frontier.py"
