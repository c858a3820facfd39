# Where a study says `shard_frames`: a clip or a training set by many jobs, joined to the bytes of one. They are
# extra files: the frames need twice the room.
SHARD = f"{RESULTS}/{{role}}/{{clip}}.shards/{{shard}}"


use rule prepare_clip as prepare_shard with:
    output:
        hr=f"{SHARD}.hr.npy",
        index=f"{SHARD}.json",
    log:
        f"{LOGS}/prepare_shard/{{role}}/{{clip}}.{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare_shard/{{role}}/{{clip}}.{{shard}}.tsv"
    params:
        images=of(SETTINGS.image_set, "role", "clip"),
        unlisted=of(PATHS.unlisted_of_set, "role", "clip"),
        wheels=PACKAGES,
        part=of(PATHS.shard, "role", "clip", "shard"),
        code=code("prepare_clip"),


rule join_clip:
    input:
        unpack(of(PATHS.shards_of_set, "images")),
    output:
        hr=f"{RESULTS}/{{images}}.hr.npy",
        index=f"{RESULTS}/{{images}}.json",
    log:
        f"{LOGS}/join_clip/{{images}}.log",
    wildcard_constraints:
        images=any_of(PATHS.sharded),
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("join_clip"),
    params:
        code=code("join_clip"),
    script:
        "../workflow/scripts/join_clip.py"


use rule measure_quality as measure_quality_shard with:
    output:
        quality=f"{ARM}/shards/quality{{of_clip}}.{{shard}}.csv",
        record=f"{ARM}/shards/quality{{of_clip}}.{{shard}}.json",
        sample=f"{ARM}/shards/sample{{of_clip}}.{{shard}}.npy",
    log:
        f"{LOGS}/measure_quality_shard/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_quality_shard/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.{{shard}}.tsv"
    params:
        settings=of_arm(SETTINGS.quality_shard, "of_clip", "shard"),
        device=[],
        code=code(FACTS.task_module("measure_quality")),


rule join_quality:
    input:
        unpack(of_arm(PATHS.quality_shards, "of_clip")),
    output:
        quality=f"{ARM}/quality{{of_clip}}.csv",
        record=f"{ARM}/quality{{of_clip}}.json",
        sample=f"{ARM}/sample{{of_clip}}.npy",
    log:
        f"{LOGS}/join_quality/{{target}}/{{runtime}}/{{model}}/{{precision}}{{of_clip}}.log",
    wildcard_constraints:
        # A device measures its frames one after the other.
        target="local",
        of_clip=any_of(PATHS.sharded_clips),
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("join_quality"),
    params:
        code=code("join_quality"),
    script:
        "../workflow/scripts/join_quality.py"


ruleorder: join_clip > prepare_clip
ruleorder: join_quality > measure_quality
