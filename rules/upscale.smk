# The arm's engine on a whole video: `snakemake --cores 2 upscale --config upscale='{input: clip.mp4}'`.
if STUDY.upscale is not None:

    rule upscale_video:
        input:
            # An engine for frames of another size is built for the video.
            **PATHS.upscale_inputs,
        output:
            video=STUDY.upscale.output,
        log:
            f"{LOGS}/upscale_video/{Path(STUDY.upscale.output).name}.log",
        conda:
            "../envs/workflow.yaml"
        # All cores: the runtime uses them, and decodes and encodes beside.
        threads: workflow.cores
        resources:
            **needs("upscale_video"),
        params:
            # Functions: Snakemake takes braces in a text for wildcards.
            video=lambda wildcards: PATHS.upscaled_from,
            unlisted=lambda wildcards: PATHS.unlisted_video,
            arm=asdict(STUDY.upscale.arm),
            engine=SETTINGS.engine(STUDY.upscale.arm),
            settings=STUDY.upscale.model_dump(include={"codec", "crf", "deinterlace"}),
            code=code(
                "upscale_video",
                FACTS.task_module("build_engine"),
                FACTS.runtime_module(STUDY.upscale.arm.runtime),
            ),
        script:
            "../workflow/scripts/upscale_video.py"
