def arm_of(wildcards):
    return Arm(
        wildcards.target, wildcards.runtime, wildcards.model, wildcards.precision
    )


def target_of(wildcards):
    """The machine that runs an arm; in a tuple, for Snakemake compares what it is, but no object of ours."""
    return (STUDY.targets[wildcards.target],)


def threads_here(count):
    """Threads function: `count` for an arm of this machine; one of a device only waits here."""
    return lambda wildcards: 1 if is_device(wildcards.target) else count


def is_device(target):
    return isinstance(STUDY.targets.get(target), Device)


def arm_groups():
    """Arms by the names that they can be asked for: precision, runtime, model."""
    groups = defaultdict(list)
    for arm in STUDY.arms:
        for name in (arm.precision, arm.runtime, arm.model):
            groups[name].append(arm)
    return groups


def arm_files(name, arms=STUDY.arms):
    """The file `name` (with {of_clip} in it) of every arm and clip, in the table's order."""
    return [
        f"{RESULTS}/arms/{arm.folder}/{name.format(of_clip=of_clip)}"
        for arm in arms
        for of_clip in OF_CLIP
    ]


def arm_clips(arms=STUDY.arms):
    """Every arm with every clip, in the order of `arm_files`."""
    return [(*asdict(arm).values(), clip) for arm in arms for clip in OF_CLIP.values()]


def clip_name(wildcards):
    return OF_CLIP[wildcards.of_clip]


def clip_file(kind):
    """Input function: the file `kind` (hr.npy, lr.npy, json) of the clip that a file of an arm belongs to."""
    return lambda wildcards: f"{RESULTS}/frames/{clip_name(wildcards)}.{kind}"


def folds_frames(runtime):
    """Whether the conversion of frames is folded into the graphs of a runtime; OpenVINO does it by itself."""
    return runtime == "onnxruntime" and STUDY.frames[runtime] == "uint8"


def engine_source(wildcards):
    """What an engine is built from: an ONNX file, PyTorch's own program, tables of whole numbers, or nothing for bicubic."""
    if wildcards.model == BASELINE:
        return []
    if wildcards.runtime in PYTORCH:
        return f"{RESULTS}/programs/{wildcards.model}.pt"
    if wildcards.runtime == "fixedpoint":
        return f"{RESULTS}/onnx/{wildcards.model}/{wildcards.precision}.tables.npz"
    return f"{RESULTS}/onnx/{wildcards.model}/{graph_of(STUDY, arm_of(wildcards))}.onnx"


def engine_belongs_to(wildcards):
    """What an engine of this machine depends on besides its graph; what another target has is checked there."""
    local = wildcards.target == "local"
    return engine_identity(wildcards.runtime) if local else {}


def engine_forms(wildcards):
    """Forms of its graph among which an engine's is chosen."""
    return list(forms_of(STUDY, arm_of(wildcards)))


def engine_models(wildcards):
    """What an engine may be built from: the forms of its graph, the one file of runtimes without, nothing for bicubic."""
    source = engine_source(wildcards)
    if not source or not source.endswith(".onnx"):
        return [source] if source else []
    return graph_forms(arm_of(wildcards))


def graph_forms(arm):
    """The files of the forms of an arm's graph."""
    graph = graph_of(STUDY, arm)
    return [
        f"{RESULTS}/onnx/{arm.model}/{form_file(graph, form)}.onnx"
        for form in forms_of(STUDY, arm)
    ]


def form_choice(wildcards):
    """The record of which form is the fastest; none where there is but one."""
    arm = arm_of(wildcards)
    if len(forms_of(STUDY, arm)) == 1 or wildcards.model == BASELINE:
        return []
    return f"{RESULTS}/forms/{arm.target}/{arm.runtime}/{kind_of(arm)}.json"


def compared_arm(wildcards):
    """The arm whose forms are timed for all of its kind."""
    return measured_arm(STUDY, wildcards.target, wildcards.runtime, wildcards.kind)


def compared_forms(wildcards):
    """The files that are timed."""
    return graph_forms(compared_arm(wildcards))


def form_settings(wildcards):
    """Settings of the job that times forms."""
    arm = compared_arm(wildcards)
    return {
        "seconds": STUDY.form_seconds,
        "options": {"frames": frames_of(STUDY, arm)},
    }


def sized_clips(wildcards):
    """The clips whose frames' sizes an engine is built for; none for runtimes whose engines take any."""
    if wildcards.runtime not in SIZED or wildcards.model == BASELINE:
        return []
    return [f"{RESULTS}/frames/{name}.json" for name in STUDY.clips]


def implicit_frames(wildcards):
    """The images that TensorRT calibrates on itself; none for other precisions and for random data."""
    arm = arm_of(wildcards)
    calibration = STUDY.calibration_of(arm)
    if not arm.implicit or calibration.calibration_set is None:
        return []
    return f"{RESULTS}/frames/calibration/{calibration.calibration_set}.npy"


def job_settings(**settings):
    """Params function: settings of an arm's job, and the options that its runtime gets."""
    return lambda wildcards: {**settings, "options": runtime_options(wildcards)}


def engine_settings(wildcards):
    """Settings of the job that builds an engine."""
    settings = build_settings(STUDY, arm_of(wildcards))
    return job_settings(**settings)(wildcards)


def runtime_options(wildcards):
    """What an arm's runtime is told: the form of frames, the kernel of bicubic, how TensorRT builds."""
    options = {"frames": frames_of(STUDY, arm_of(wildcards))}
    if wildcards.runtime in TENSORRT:
        options["build"] = dict(STUDY.builds[wildcards.runtime])
    if wildcards.model == BASELINE:
        options["kernel"] = STUDY.models[BASELINE].kernel
    return options


def reference_engine(wildcards):
    """Engine of the arm that another is timed in turn with, as named inputs; none where there is no such arm."""
    reference = STUDY.reference_of(arm_of(wildcards))
    if reference is None:
        return {}
    folder = f"{RESULTS}/arms/{reference.folder}"
    return {
        "reference_engine": f"{folder}/engine.bin",
        "reference_record": f"{folder}/engine.json",
    }


def latency_settings(wildcards):
    """Settings of the job that times an arm, and what the reference's engine is."""
    settings = dict(STUDY.latency)
    reference = STUDY.reference_of(arm_of(wildcards))
    if reference is not None:
        settings["reference"] = {
            "label": reference.folder,
            "runtime": reference.runtime,
            "precision": reference.precision,
            "options": runtime_options(reference),
        }
    return job_settings(**settings)(wildcards)


def reference_notes():
    """A line for each target whose study doesn't have the arm that others are timed against."""
    references = [STUDY.reference.on(target) for target in targets_of_study()]
    return [
        f"No ratios of speeds on {reference.target}: the reference {reference.folder} is no arm of this study."
        for reference in references
        if reference not in STUDY.arms
    ]


def targets_of_study():
    return list(dict.fromkeys(arm.target for arm in STUDY.arms))


def disjoint_images(wildcards):
    """Proof that what an arm was trained and calibrated on shows nothing of a clip: its PSNR would mean nothing."""
    calibration = STUDY.calibration_of(arm_of(wildcards))
    return disjoint_files(wildcards.model, calibration)


def build_code(wildcards):
    """Modules behind an engine: its runtime is one of them, so what is measured on the engine follows too."""
    return code("device/tasks/build.py", f"device/runtimes/{wildcards.runtime}.py")


def asked_of_targets():
    """For each target the runtimes that run there, and for each of these the precisions of its arms."""
    asked = {name: defaultdict(list) for name in STUDY.targets}
    for arm in EVALUATED:
        if arm.precision not in asked[arm.target][arm.runtime]:
            asked[arm.target][arm.runtime].append(arm.precision)
    return {name: dict(runtimes) for name, runtimes in asked.items()}


def upscaled_video(wildcards):
    """What the target upscale asks for."""
    if STUDY.upscale is None:
        sys.exit(
            "study error: upscale: expected a video, found none; name one: --config upscale='{input: clip.mp4}'"
        )
    return STUDY.upscale.output
