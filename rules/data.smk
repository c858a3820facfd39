rule download_package:
    output:
        wheel=f"{PACKAGES}/{{wheel}}",
    log:
        f"{LOGS}/download_package/{{wheel}}.log",
    benchmark:
        f"{BENCHMARKS}/download_package/{{wheel}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: 1
    params:
        package=of(SETTINGS.package, "wheel"),
    script:
        "../workflow/scripts/download_package.py"


# A link to the verified file: Snakemake deletes and touches outputs, and a download must stay as it is.
rule fetch_file:
    output:
        link=f"{FILES}/{{file}}",
    log:
        f"{LOGS}/fetch_file/{{file}}.log",
    benchmark:
        f"{BENCHMARKS}/fetch_file/{{file}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        # Not a parameter, for what is made of a file is no reason to fetch it again.
        frames_mb=lambda wildcards: PATHS.room_for_frames(wildcards.file) // 10**6,
    params:
        file=listed(STUDY.files.get, "file"),
        store=DOWNLOADS,
    script:
        "../workflow/scripts/fetch_file.py"


rule prepare_clip:
    input:
        unpack(of(PATHS.read_by_set, "role", "clip")),
    output:
        hr=f"{RESULTS}/{{role}}/{{clip}}.hr.npy",
        index=f"{RESULTS}/{{role}}/{{clip}}.json",
    log:
        f"{LOGS}/prepare_clip/{{role}}/{{clip}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare_clip/{{role}}/{{clip}}.tsv"
    wildcard_constraints:
        role="frames|training",
    conda:
        "../envs/workflow.yaml"
    threads:
        lambda wildcards: (
            4
            if read_in_any_order(
                SETTINGS.image_set(wildcards.role, wildcards.clip)["sources"]
            )
            else 1
        )
    resources:
        **needs("prepare_clip"),
    params:
        images=of(SETTINGS.image_set, "role", "clip"),
        unlisted=of(PATHS.unlisted_of_set, "role", "clip"),
        wheels=PACKAGES,
        code=code("prepare_clip"),
    script:
        "../workflow/scripts/prepare_clip.py"


# LR twins for the models of one scale.
rule downsample_clip:
    input:
        hr=f"{RESULTS}/{{role}}/{{clip}}.hr.npy",
        index=f"{RESULTS}/{{role}}/{{clip}}.json",
    output:
        lr=f"{RESULTS}/{{role}}/{{clip}}.x{{scale}}.npy",
        index=f"{RESULTS}/{{role}}/{{clip}}.x{{scale}}.json",
    log:
        f"{LOGS}/downsample_clip/{{role}}/{{clip}}.x{{scale}}.log",
    benchmark:
        f"{BENCHMARKS}/downsample_clip/{{role}}/{{clip}}.x{{scale}}.tsv"
    wildcard_constraints:
        role="frames|training",
    conda:
        "../envs/workflow.yaml"
    threads: 4
    resources:
        **needs("downsample_clip"),
    params:
        downsampling=of(SETTINGS.downsampling, "role", "clip"),
        code=code("downsample_clip"),
    script:
        "../workflow/scripts/downsample_clip.py"


rule prepare_calibration_set:
    input:
        unpack(
            lambda wildcards: PATHS.read_by(STUDY.calibration_sets[wildcards.images])
        ),
    output:
        frames=f"{RESULTS}/frames/calibration/{{images}}.npy",
        index=f"{RESULTS}/frames/calibration/{{images}}.json",
    log:
        f"{LOGS}/prepare_calibration_set/{{images}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare_calibration_set/{{images}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("prepare_calibration_set"),
    params:
        images=listed(STUDY.calibration_sets.get, "images"),
        unlisted=lambda wildcards: PATHS.unlisted(
            STUDY.calibration_sets[wildcards.images]
        ),
        wheels=PACKAGES,
        code=code("prepare_calibration_set"),
    script:
        "../workflow/scripts/prepare_calibration_set.py"


rule check_disjoint_images:
    input:
        images=f"{RESULTS}/{{images}}.json",
        clip=of_clip(lambda clip: PATHS.clip(clip, "json")),
    output:
        record=f"{RESULTS}/{{images}}.disjoint{{of_clip}}.json",
    log:
        f"{LOGS}/check_disjoint_images/{{images}}{{of_clip}}.log",
    wildcard_constraints:
        images="(frames/calibration|training)/[a-z0-9_]+",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("check_disjoint_images"),
    params:
        code=code("check_disjoint_images"),
    script:
        "../workflow/scripts/check_disjoint_images.py"
