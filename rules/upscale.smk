# The arm's engine on a whole video: `snakemake --cores 2 upscale --config upscale='{input: clip.mp4}'`.
if STUDY.upscale is not None:

    rule upscale_video:
        input:
            video=STUDY.upscale.input,
            engine=f"{RESULTS}/arms/{STUDY.upscale.arm.folder}/engine.bin",
            engine_record=f"{RESULTS}/arms/{STUDY.upscale.arm.folder}/engine.json",
            # An engine for frames of another size is built for the video.
            models=engine_models(STUDY.upscale.arm),
            calibration=implicit_frames(STUDY.upscale.arm),
            code=code(
                "device/tasks/build.py",
                "upscale/engine.py",
                "upscale/pipeline.py",
                f"device/runtimes/{STUDY.upscale.arm.runtime}.py",
            ),
        output:
            video=STUDY.upscale.output,
        log:
            f"{LOGS}/upscale_video/{Path(STUDY.upscale.output).name}.log",
        conda:
            "../envs/upscale.yaml"
        # All cores: the runtime uses them, and decodes and encodes beside.
        threads: workflow.cores
        params:
            arm=asdict(STUDY.upscale.arm),
            forms=engine_forms(STUDY.upscale.arm),
            options=runtime_options(STUDY.upscale.arm),
            settings={"codec": STUDY.upscale.codec, "crf": STUDY.upscale.crf},
        script:
            "../workflow/scripts/upscale_video.py"
