ARM = f"{RESULTS}/arms/{{target}}/{{runtime}}/{{model}}/{{precision}}"


rule fold_frames:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/{{precision}}.onnx",
        code=code("models/graphs/uint8/forms.py"),
    output:
        pixels=f"{RESULTS}/onnx/{{model}}/{{precision}}.pixels.onnx",
        blocks=f"{RESULTS}/onnx/{{model}}/{{precision}}.blocks.onnx",
        channels_last=f"{RESULTS}/onnx/{{model}}/{{precision}}.channels_last.onnx",
        levels=f"{RESULTS}/onnx/{{model}}/{{precision}}.levels.onnx",
    log:
        f"{LOGS}/fold_frames/{{model}}/{{precision}}.log",
    conda:
        "../envs/quantization.yaml"
    threads: 1
    script:
        "../workflow/scripts/fold_frames.py"


rule fold_casts:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/{{precision}}.onnx",
        code=code("models/graphs/uint8/casts.py"),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/{{precision}}.casts.onnx",
    log:
        f"{LOGS}/fold_casts/{{model}}/{{precision}}.log",
    conda:
        "../envs/quantization.yaml"
    threads: 1
    script:
        "../workflow/scripts/fold_casts.py"


# Once per target and runtime, for float and for INT8.
rule choose_form:
    input:
        graphs=compared_forms,
        lr=f"{RESULTS}/frames/{next(iter(STUDY.clips))}.lr.npy",
        clip=f"{RESULTS}/frames/{next(iter(STUDY.clips))}.json",
        clips=lambda wildcards: sized_clips(compared_arm(wildcards)),
        code=lambda wildcards: code(
            "device/tasks/forms.py", f"device/runtimes/{wildcards.runtime}.py"
        ),
    output:
        record=f"{RESULTS}/forms/{{target}}/{{runtime}}/{{kind}}.json",
    log:
        f"{LOGS}/choose_form/{{target}}/{{runtime}}/{{kind}}.log",
    conda:
        "../envs/arms.yaml"
    # All cores: nothing else runs while forms are timed.
    threads: threads_here(workflow.cores)
    params:
        target=target_of,
        arm=lambda wildcards: asdict(compared_arm(wildcards)),
        forms=lambda wildcards: list(forms_of(STUDY, compared_arm(wildcards))),
        settings=form_settings,
    script:
        "../workflow/scripts/choose_form.py"


rule build_engine:
    input:
        models=engine_models,
        choice=form_choice,
        clips=sized_clips,
        calibration=implicit_frames,
        code=build_code,
    output:
        engine=f"{ARM}/engine.bin",
        record=f"{ARM}/engine.json",
    log:
        f"{LOGS}/build_engine/{{target}}/{{runtime}}/{{model}}/{{precision}}.log",
    benchmark:
        f"{BENCHMARKS}/build_engine/{{target}}/{{runtime}}/{{model}}/{{precision}}.tsv"
    conda:
        "../envs/arms.yaml"
    threads: threads_here(2)
    params:
        settings=engine_settings,
        target=target_of,
        forms=engine_forms,
        # Another version of the runtime, or another card: the engine is built again.
        identity=engine_belongs_to,
    script:
        "../workflow/scripts/build_engine.py"


rule measure_quality:
    input:
        engine=f"{ARM}/engine.bin",
        engine_record=f"{ARM}/engine.json",
        hr=clip_file("hr.npy"),
        lr=clip_file("lr.npy"),
        clip=clip_file("json"),
        disjoint=disjoint_images,
        code=code("device/tasks/quality.py"),
    output:
        quality=f"{ARM}/quality{{of_clip}}.csv",
        record=f"{ARM}/quality{{of_clip}}.json",
        sample=f"{ARM}/sample{{of_clip}}.npy",
    log:
        f"{LOGS}/measure_quality/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_quality/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.tsv"
    conda:
        "../envs/arms.yaml"
    threads: threads_here(max(1, workflow.cores // 2))
    params:
        target=target_of,
        settings=job_settings(**STUDY.quality, sample_frame=STUDY.samples["frame"]),
    script:
        "../workflow/scripts/measure_quality.py"


# Timed jobs have no benchmark of Snakemake's, which reads the page tables of the process that is timed twice a second. Their
# records have seconds and memory.
rule measure_latency:
    input:
        unpack(reference_engine),
        engine=f"{ARM}/engine.bin",
        engine_record=f"{ARM}/engine.json",
        lr=clip_file("lr.npy"),
        clip=clip_file("json"),
        code=code("device/tasks/latency.py"),
    output:
        latency=f"{ARM}/latency{{of_clip}}.csv",
        record=f"{ARM}/latency{{of_clip}}.json",
    log:
        f"{LOGS}/measure_latency/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    conda:
        "../envs/arms.yaml"
    # All cores: nothing else runs here while an arm is timed here; a device has a lock of its own.
    threads: threads_here(workflow.cores)
    params:
        target=target_of,
        settings=latency_settings,
    script:
        "../workflow/scripts/measure_latency.py"


rule measure_roofline:
    input:
        code=code("device/tasks/roofline.py"),
    output:
        record=f"{RESULTS}/roofline/{{target}}.json",
    log:
        f"{LOGS}/measure_roofline/{{target}}.log",
    conda:
        "../envs/arms.yaml"
    # All cores: nothing else runs while a target is timed.
    threads: threads_here(workflow.cores)
    params:
        target=target_of,
        settings={"seconds": STUDY.roofline["seconds"]},
    script:
        "../workflow/scripts/measure_roofline.py"


# Not timed with the arms: counters slow an engine down.
rule measure_profile:
    input:
        engine=f"{ARM}/engine.bin",
        engine_record=f"{ARM}/engine.json",
        lr=clip_file("lr.npy"),
        clip=clip_file("json"),
        code=code("device/tasks/profile.py"),
    output:
        profile=f"{ARM}/profile{{of_clip}}.csv",
        record=f"{ARM}/profile{{of_clip}}.json",
    log:
        f"{LOGS}/measure_profile/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    conda:
        "../envs/arms.yaml"
    # All cores: nothing else runs while layers are timed.
    threads: threads_here(workflow.cores)
    params:
        target=target_of,
        settings=job_settings(runs=STUDY.profile["runs"]),
    script:
        "../workflow/scripts/measure_profile.py"


rule write_manifest:
    input:
        unpack(traced_inputs),
        engine=f"{ARM}/engine.bin",
        engine_record=f"{ARM}/engine.json",
        quality=f"{ARM}/quality{{of_clip}}.csv",
        quality_record=f"{ARM}/quality{{of_clip}}.json",
        latency=f"{ARM}/latency{{of_clip}}.csv",
        latency_record=f"{ARM}/latency{{of_clip}}.json",
        modules=lambda wildcards: code(*arm_modules(arm_of(wildcards))),
        code=code("report/provenance/manifest.py", "code_version.py"),
    output:
        manifest=f"{ARM}/manifest{{of_clip}}.json",
    log:
        f"{LOGS}/write_manifest/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        study=lambda wildcards: study_of_arm(arm_of(wildcards), clip_name(wildcards)),
        clip=clip_name,
        traced=lambda wildcards: sorted(traced_inputs(wildcards)),
    script:
        "../workflow/scripts/write_manifest.py"


# Asked for by its name. It makes nothing, so it runs each time.
rule verify:
    input:
        code=code("report/provenance/verify.py"),
    log:
        f"{LOGS}/verify.log",
    conda:
        "../envs/data.yaml"
    threads: 1
    params:
        results=RESULTS,
        studies=lambda wildcards: studies_of_manifests(),
    script:
        "../workflow/scripts/verify.py"
