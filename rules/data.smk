rule download_package:
    output:
        wheel=f"{PACKAGES}/{{wheel}}",
    log:
        f"{LOGS}/download_package/{{wheel}}.log",
    benchmark:
        f"{BENCHMARKS}/download_package/{{wheel}}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    params:
        package=package_of,
    script:
        "../workflow/scripts/download_package.py"


# A link to the verified file: Snakemake deletes and touches outputs, and what has been downloaded stays as it is.
rule fetch_file:
    output:
        link=f"{FILES}/{{file}}",
    log:
        f"{LOGS}/fetch_file/{{file}}.log",
    benchmark:
        f"{BENCHMARKS}/fetch_file/{{file}}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        # Not a parameter, for what is made of a file is no reason to fetch it again.
        frames_mb=room_for_frames,
    params:
        # Behind a tuple, as below.
        file=lambda wildcards: (STUDY.files[wildcards.file],),
        store=DOWNLOADS,
    script:
        "../workflow/scripts/fetch_file.py"


rule prepare_clip:
    input:
        packages=lambda wildcards: wheels_of(image_set(wildcards)["sources"]),
        files=lambda wildcards: files_of(image_set(wildcards)["sources"]),
        code=code("data/clips.py"),
    output:
        hr=f"{RESULTS}/{{role}}/{{clip}}.hr.npy",
        lr=f"{RESULTS}/{{role}}/{{clip}}.lr.npy",
        index=f"{RESULTS}/{{role}}/{{clip}}.json",
    log:
        f"{LOGS}/prepare_clip/{{role}}/{{clip}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare_clip/{{role}}/{{clip}}.tsv"
    wildcard_constraints:
        role="frames|training",
    conda:
        "../envs/data.yaml"
    threads: lambda wildcards: (4 if read_in_any_order(image_set(wildcards)["sources"]) else 1)
    params:
        images=image_set,
        wheels=PACKAGES,
    script:
        "../workflow/scripts/prepare_clip.py"


rule prepare_calibration_set:
    input:
        packages=lambda wildcards: wheels_of(calibration_sources(wildcards)),
        files=lambda wildcards: files_of(calibration_sources(wildcards)),
        code=code("data/calibration_sets.py"),
    output:
        frames=f"{RESULTS}/frames/calibration/{{images}}.npy",
        index=f"{RESULTS}/frames/calibration/{{images}}.json",
    log:
        f"{LOGS}/prepare_calibration_set/{{images}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare_calibration_set/{{images}}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    params:
        # Behind a tuple, for Snakemake compares parameters by their repr only inside a builtin container.
        images=lambda wildcards: (STUDY.calibration_sets[wildcards.images],),
        wheels=PACKAGES,
    script:
        "../workflow/scripts/prepare_calibration_set.py"


rule check_disjoint_images:
    input:
        images=f"{RESULTS}/{{images}}.json",
        clips=expand(f"{RESULTS}/frames/{{clip}}.json", clip=STUDY.clips),
        code=code("data/disjoint.py"),
    output:
        record=f"{RESULTS}/{{images}}.disjoint.json",
    log:
        f"{LOGS}/check_disjoint_images/{{images}}.log",
    wildcard_constraints:
        images="(frames/calibration|training)/[a-z0-9_]+",
    conda:
        "../envs/data.yaml"
    threads: 1
    script:
        "../workflow/scripts/check_disjoint_images.py"
