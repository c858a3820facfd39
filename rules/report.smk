rule collect_metrics:
    input:
        quality=PATHS.arm_files("quality{of_clip}.csv"),
        latency=PATHS.timing_files("latency{of_clip}.csv"),
        manifest=PATHS.arm_files("manifest{of_clip}.json"),
        roofline=[f"{RESULTS}/roofline/{target}.json" for target in PATHS.targets],
        operations=PATHS.counted_graphs,
    output:
        metrics=report(
            f"{RESULTS}/metrics.csv",
            caption="../workflow/report/metrics.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/collect_metrics.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("collect_metrics"),
    params:
        arms=PATHS.arms_on_clips(),
        graphs=PATHS.graphs_of_arms,
        targets=PATHS.targets,
        references=SETTINGS.references(),
        noise=STUDY.noise.model_dump(),
        far_db=STUDY.far_db,
        code=code("collect_metrics"),
    script:
        "../workflow/scripts/collect_metrics.py"


rule collect_profiles:
    input:
        profile=PATHS.arm_files("profile{of_clip}.csv", clips=PATHS.timed),
        record=PATHS.arm_files("profile{of_clip}.json", clips=PATHS.timed),
        operations=PATHS.counted_graphs,
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
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("collect_profiles"),
    params:
        arms=PATHS.arms_on_clips(clips=PATHS.timed),
        graphs=[PATHS.counted_graph(arm) for arm in PATHS.arms for _ in PATHS.timed],
        code=code("collect_profiles"),
    script:
        "../workflow/scripts/collect_profiles.py"


rule write_table:
    input:
        metrics=f"{RESULTS}/metrics.csv",
        manifests=PATHS.arm_files("manifest{of_clip}.json"),
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
        tex=f"{RESULTS}/paper/table1.tex",
    log:
        f"{LOGS}/write_table.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("write_table"),
    params:
        text=SETTINGS.table_text(),
        code=code("write_table"),
    script:
        "../workflow/scripts/write_table.py"


rule write_recommendation:
    input:
        metrics=f"{RESULTS}/metrics.csv",
    output:
        md=report(
            f"{RESULTS}/recommendation.md",
            caption="../workflow/report/recommendation.rst",
            category="Figures",
        ),
        json=f"{RESULTS}/recommendation.json",
    log:
        f"{LOGS}/write_recommendation.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("write_recommendation"),
    params:
        study=STUDY.name,
        wish=STUDY.recommend.model_dump(),
        code=code("write_recommendation"),
    script:
        "../workflow/scripts/write_recommendation.py"


rule build_page:
    input:
        **PATHS.page_inputs(),
    output:
        page=report(
            PATHS.page,
            caption="../workflow/report/page.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/build_page.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("build_page"),
    params:
        **SETTINGS.page(),
        code=code("build_page"),
    script:
        "../workflow/scripts/build_page.py"


rule collect_evaluation:
    input:
        quality=PATHS.arm_files("quality{of_clip}.csv", PATHS.evaluated),
        record=PATHS.arm_files("quality{of_clip}.json", PATHS.evaluated),
        graphs=sorted({*filter(None, PATHS.int8_graphs)}),
    output:
        evaluation=report(
            f"{RESULTS}/evaluation.csv",
            caption="../workflow/report/evaluation.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/collect_evaluation.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("collect_evaluation"),
    params:
        arms=PATHS.arms_on_clips(PATHS.evaluated),
        graphs=PATHS.int8_graphs,
        downsampling={
            name: STUDY.clips[name].downsampling for name in sorted(STUDY.clips)
        },
        far_db=STUDY.far_db,
        code=code("collect_evaluation"),
    script:
        "../workflow/scripts/collect_evaluation.py"


rule write_evaluation:
    input:
        evaluation=f"{RESULTS}/evaluation.csv",
    output:
        md=report(
            f"{RESULTS}/evaluation.md",
            caption="../workflow/report/evaluation.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/write_evaluation.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("write_evaluation"),
    params:
        study=STUDY.name,
        text=SETTINGS.table_text(timed=False),
        swept=sorted({arm.precision for arm in STUDY.swept}),
        seeds=SETTINGS.seeds(),
        code=code("write_evaluation"),
    script:
        "../workflow/scripts/write_evaluation.py"


rule compare_tools:
    input:
        evaluation=f"{RESULTS}/evaluation.csv",
        onnx=[PATHS.onnx(*graph) for graph in PATHS.compared_graphs],
        engines=[PATHS.arm(arm, "engine.json") for arm in PATHS.compared],
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
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("compare_tools"),
    params:
        graphs=PATHS.compared_graphs,
        arms=[arm.folder for arm in PATHS.compared],
        tools=PATHS.tools,
        code=code("compare_tools"),
    script:
        "../workflow/scripts/compare_tools.py"


rule draw_plot:
    input:
        unpack(lambda wildcards: or_say(PATHS.plot_inputs, wildcards.plot)),
    output:
        svg=report(
            f"{RESULTS}/plots/{{plot}}.svg",
            caption="../workflow/report/plot.rst",
            category="Plots",
            labels={"plot": "{plot}"},
        ),
        png=f"{RESULTS}/plots/{{plot}}.png",
        pdf=f"{RESULTS}/paper/{{plot}}.pdf",
    log:
        f"{LOGS}/draw_plot/{{plot}}.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("draw_plot"),
    params:
        settings=of(SETTINGS.plot, "plot"),
        caption=of(SETTINGS.plot_caption, "plot"),
        code=lambda wildcards: code("draw_plot", FACTS.plot_module(wildcards.plot)),
    script:
        "../workflow/scripts/draw_plot.py"


# Asked for by its name. It makes nothing, so it runs each time; then the end of the run says the lines.
rule recommend:
    input:
        json=f"{RESULTS}/recommendation.json",
        # One that is there shows the recommendation, and would be that of another wish.
        page=lambda wildcards: [PATHS.page] if Path(PATHS.page).is_file() else [],
    log:
        f"{LOGS}/recommend.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    params:
        code=code("recommend"),
    script:
        "../workflow/scripts/recommend.py"


# Asked for by its name. It makes nothing, so it runs each time; its log is elsewhere, for results that can only
# be read.
rule verify:
    log:
        f".snakemake/log/verify-{STUDY.name}.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    params:
        wanted=lambda wildcards: [wanted()],
        archive=lambda wildcards: ARCHIVE,
        remedy=os.environ[REPAIR_COMMAND],
    script:
        "../workflow/scripts/verify.py"


# Makes damaged files again, then verifies.
use rule verify as repair with:
    input:
        damaged,
    log:
        f"{LOGS}/repair.log",


# Asked for by its name, too: packs what is there.
rule export_results:
    log:
        f"{LOGS}/export_results.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    params:
        wanted=lambda wildcards: [wanted()],
        # Functions: Snakemake takes braces in a text for wildcards.
        study=lambda wildcards: [shared_study(config)],
        table=lambda wildcards: SETTINGS.table_text(),
        remedy=os.environ[REPAIR_COMMAND],
        archive=f"{RESULTS}/export/{STUDY.name}.zip",
    script:
        "../workflow/scripts/export_results.py"


# With results of somebody else, or of another machine: `--config archive=FILE`.
rule compare:
    log:
        f"{LOGS}/compare.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    params:
        archive=lambda wildcards: ARCHIVE,
        results=RESULTS,
        remedy=os.environ[REPAIR_COMMAND],
    script:
        "../workflow/scripts/compare.py"
