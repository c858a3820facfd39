rule collect_metrics:
    input:
        quality=arm_files("quality{of_clip}.csv"),
        latency=arm_files("latency{of_clip}.csv"),
        manifest=arm_files("manifest{of_clip}.json"),
        roofline=expand(
            f"{RESULTS}/roofline/{{target}}.json", target=targets_of_study()
        ),
        operations=operations_graphs(),
        code=code("report/metrics/collect.py"),
    output:
        metrics=report(
            f"{RESULTS}/metrics.csv",
            caption="../workflow/report/metrics.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/collect_metrics.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        arms=arm_clips(),
        graphs=arm_graphs(),
        targets=targets_of_study(),
        references=reference_labels(),
        noise=dict(STUDY.noise),
        far_db=STUDY.far_db,
    script:
        "../workflow/scripts/collect_metrics.py"


rule collect_profiles:
    input:
        profile=arm_files("profile{of_clip}.csv"),
        record=arm_files("profile{of_clip}.json"),
        operations=operations_graphs(),
        code=code("report/metrics/profiles.py", "report/plots/operations_plot.py"),
    output:
        csv=report(
            f"{RESULTS}/profile.csv",
            caption="../workflow/report/profile.rst",
            category="Figures",
        ),
        md=report(
            f"{RESULTS}/profile.md",
            caption="../workflow/report/profile.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/collect_profiles.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        arms=arm_clips(),
        graphs=arm_graphs(),
    script:
        "../workflow/scripts/collect_profiles.py"


rule plot_operations:
    input:
        profile=f"{RESULTS}/profile.csv",
        code=code("report/plots/operations_plot.py"),
    output:
        svg=report(
            f"{RESULTS}/plots/operations.svg",
            caption="../workflow/report/plot_operations.rst",
            category="Plots",
        ),
        png=f"{RESULTS}/plots/operations.png",
    log:
        f"{LOGS}/plot_operations.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    script:
        "../workflow/scripts/plot_operations.py"


rule write_table:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        manifests=arm_files("manifest{of_clip}.json"),
        code=code("report/tables/table.py", "report/tables/machines.py", "report/tables/paper_table1.csv"),
    output:
        csv=report(
            f"{RESULTS}/table1.csv",
            caption="../workflow/report/table1.rst",
            category="Figures",
        ),
        md=report(
            f"{RESULTS}/table1.md",
            caption="../workflow/report/table1.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/write_table.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        text=table_text(),
    script:
        "../workflow/scripts/write_table.py"


rule collect_evaluation:
    input:
        quality=arm_files("quality{of_clip}.csv", EVALUATED),
        record=arm_files("quality{of_clip}.json", EVALUATED),
        code=code("report/metrics/evaluation.py"),
    output:
        evaluation=report(
            f"{RESULTS}/evaluation.csv",
            caption="../workflow/report/evaluation.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/collect_evaluation.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        arms=arm_clips(EVALUATED),
        downsampling={clip.name: clip.downsampling for clip in STUDY.clips.values()},
    script:
        "../workflow/scripts/collect_evaluation.py"


rule write_evaluation:
    input:
        evaluation=f"{RESULTS}/evaluation.csv",
        code=code("report/tables/evaluation_table.py", "report/tables/published.csv"),
    output:
        md=report(
            f"{RESULTS}/evaluation.md",
            caption="../workflow/report/evaluation.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/write_evaluation.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        study=STUDY.name,
        text=table_text(),
        swept=sorted({arm.precision for arm in STUDY.swept}),
        seeds=series_of("seed"),
    script:
        "../workflow/scripts/write_evaluation.py"


rule plot_images:
    input:
        evaluation=f"{RESULTS}/evaluation.csv",
        code=code("report/plots/images_plot.py"),
    output:
        svg=report(
            f"{RESULTS}/plots/images.svg",
            caption="../workflow/report/plot_images.rst",
            category="Plots",
        ),
        png=f"{RESULTS}/plots/images.png",
    log:
        f"{LOGS}/plot_images.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        series=series_of("images", with_values=True),
    script:
        "../workflow/scripts/plot_images.py"


rule compare_tools:
    input:
        evaluation=f"{RESULTS}/evaluation.csv",
        onnx=[f"{RESULTS}/onnx/{'/'.join(graph)}.onnx" for graph in COMPARED_GRAPHS],
        engines=[f"{RESULTS}/arms/{arm.folder}/engine.json" for arm in COMPARED],
        code=code("report/tables/tools_table.py"),
    output:
        csv=report(
            f"{RESULTS}/tools.csv",
            caption="../workflow/report/tools.rst",
            category="Figures",
        ),
        md=report(
            f"{RESULTS}/tools.md",
            caption="../workflow/report/tools.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/compare_tools.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        graphs=COMPARED_GRAPHS,
        arms=[tuple(asdict(arm).values()) for arm in COMPARED],
        tools={name: STUDY.calibrations[name].tool for name in OF_TOOLS},
    script:
        "../workflow/scripts/compare_tools.py"


rule plot_psnr_fps:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        code=code("report/plots/arms.py"),
    output:
        svg=report(
            f"{RESULTS}/plots/psnr_fps.svg",
            caption="../workflow/report/plot_psnr_fps.rst",
            category="Plots",
        ),
        png=f"{RESULTS}/plots/psnr_fps.png",
    log:
        f"{LOGS}/plot_psnr_fps.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        calibrated=table_text()["calibrated"],
    script:
        "../workflow/scripts/plot_psnr_fps.py"


rule plot_int8_loss:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        code=code("report/plots/arms.py"),
    output:
        svg=report(
            f"{RESULTS}/plots/int8_loss.svg",
            caption="../workflow/report/plot_int8_loss.rst",
            category="Plots",
        ),
        png=f"{RESULTS}/plots/int8_loss.png",
    log:
        f"{LOGS}/plot_int8_loss.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        calibrated=table_text()["calibrated"],
    script:
        "../workflow/scripts/plot_int8_loss.py"


rule plot_fps:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        code=code("report/plots/arms.py"),
    output:
        svg=report(
            f"{RESULTS}/plots/fps.svg",
            caption="../workflow/report/plot_fps.rst",
            category="Plots",
        ),
        png=f"{RESULTS}/plots/fps.png",
    log:
        f"{LOGS}/plot_fps.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        calibrated=table_text()["calibrated"],
    script:
        "../workflow/scripts/plot_fps.py"


rule plot_samples:
    input:
        hr=clip_file("hr.npy"),
        clip=clip_file("json"),
        samples=lambda wildcards: [
            f"{RESULTS}/arms/{arm.folder}/sample{wildcards.of_clip}.npy"
            for arm in sample_arms()
        ],
        code=code("report/plots/samples.py"),
    output:
        png=report(
            f"{RESULTS}/plots/samples{{of_clip}}.png",
            caption="../workflow/report/plot_samples.rst",
            category="Plots",
        ),
    log:
        f"{LOGS}/plot_samples/samples{{of_clip}}.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        arms=[(arm.model, arm.precision) for arm in sample_arms()],
        frame=STUDY.samples["frame"],
        quality=dict(STUDY.quality),
    script:
        "../workflow/scripts/plot_samples.py"
