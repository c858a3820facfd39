def names_but(excluded):
    """Pattern of the names of INT8 quantisations, as a wildcard takes it, but for some."""
    known = [name for name in STUDY.quantizations if name not in excluded]
    return "|".join(map(re.escape, known)) or NO_NAME


def observing_calibrations(wildcards):
    """The calibrations that share one pass of images through the FP32 graph."""
    return [c for c in STUDY.calibrations.values() if c.observed == wildcards.images]


def observed_frames(wildcards):
    """Frames of the calibration set that a graph is fed with; none for random data."""
    name = observing_calibrations(wildcards)[0].calibration_set
    return f"{RESULTS}/frames/calibration/{name}.npy" if name else []


def observed_images(wildcards):
    """What observe_activations takes: the images (as many as any calibration uses), and each number used."""
    calibrations = observing_calibrations(wildcards)
    used = [c.data.get("images") for c in calibrations]
    most = {} if None in used else {"images": max(used)}
    data = {
        key: value for key, value in calibrations[0].data.items() if key != "images"
    }
    return {"data": data | most, "prefixes": sorted({n for n in used if n is not None})}


def observed_activations(wildcards):
    """The statistics that a calibration reads; none for a method that looks at no image."""
    name = STUDY.calibrations[wildcards.calibration].observed
    return f"{RESULTS}/ranges/{wildcards.model}/observed/{name}.npz" if name else []


def replayed_cache(wildcards):
    """The TensorRT calibration cache that a calibration replays; none for other methods."""
    return STUDY.calibrations[wildcards.calibration].settings.get("path", [])


def tool_frames(wildcards):
    """Frames of the calibration set that a tool looks at; none for random data."""
    name = STUDY.calibrations[wildcards.calibration].calibration_set
    return f"{RESULTS}/frames/calibration/{name}.npy" if name else []


def calibration_settings(wildcards):
    """What calibration_settings of the package takes."""
    return asdict(STUDY.calibrations[wildcards.calibration])


def recipe_file(model, recipe, kind):
    """The FP32 graph (onnx) or the ranges (json) that a recipe, as text, arrives at."""
    if "+" in recipe:
        return f"{RESULTS}/refined/{model}/{recipe}.{kind}"
    return {
        "onnx": f"{RESULTS}/onnx/{model}/fp32.onnx",
        "json": f"{RESULTS}/ranges/{model}/{recipe}.json",
    }[kind]


def refined_file(kind):
    """Input function: what a step starts from."""
    return lambda wildcards: recipe_file(wildcards.model, wildcards.recipe, kind)


def quantized_file(kind):
    """Input function: what an INT8 graph is made of."""
    return lambda wildcards: recipe_file(
        wildcards.model, str(STUDY.quantizations[wildcards.quantization].recipe), kind
    )


def float_layers(wildcards):
    return list(STUDY.quantizations[wildcards.quantization].float_layers)


def recipe_calibration(wildcards):
    return STUDY.calibrations[wildcards.recipe.partition("+")[0]]


def recipe_frames(wildcards):
    """Frames of the calibration set of a recipe; none for random data."""
    name = recipe_calibration(wildcards).calibration_set
    return f"{RESULTS}/frames/calibration/{name}.npy" if name else []


def step_frames(wildcards):
    """Frames of the calibration set that a step looks at; none for random data and for steps that need none."""
    return recipe_frames(wildcards) if wildcards.step in NEED_IMAGES else []


def step_measured(wildcards):
    """What was measured of the state that a step starts from; nothing for most steps."""
    file = MEASURED.get(wildcards.step)
    return f"{RESULTS}/{file.format(**wildcards)}" if file else []


def step_threads(wildcards):
    """How many threads a step gets."""
    return 1 if wildcards.step in ONE_THREAD else max(1, workflow.cores // 2)


def step_job(wildcards):
    """What step_job of the package takes."""
    return {
        "calibration": asdict(recipe_calibration(wildcards)),
        "settings": dict(STUDY.steps.get(wildcards.step, {})),
    }


def graph_executor(runtime):
    """What Executor takes, but for the threads."""
    return {
        "runtime": runtime,
        "frames": STUDY.frames[runtime],
        "folded": folds_frames(runtime),
    }


def measuring_code(module, runtime):
    """Modules behind figures of graphs that a runtime executes."""
    return code(module, f"device/runtimes/{runtime}.py")


def sensitivity_tables():
    """The sensitivity of every model that the study wants it of."""
    wanted = STUDY.sensitivity
    models = wanted.models if wanted else ()
    return [f"{RESULTS}/sensitivity/{model}/{wanted.recipe}.csv" for model in models]


def frontier_tables(wildcards):
    """The frontiers of all models behind a recipe."""
    return [
        f"{RESULTS}/frontier/{model}/{recipe}.csv"
        for model, recipe in measured_recipes(STUDY.arms, STUDY.quantizations)
        if recipe == wildcards.recipe
    ]


def layer_plots():
    """Plots of what the study wants to know of its models' layers, without their endings."""
    recipes = measured_recipes(STUDY.arms, STUDY.quantizations)
    return [
        *(["sensitivity"] if STUDY.sensitivity else []),
        *dict.fromkeys(f"frontier.{recipe}" for _, recipe in recipes),
    ]


def disjoint_from_quantized(wildcards):
    """The same for what stands behind an INT8 precision."""
    recipe = STUDY.quantizations[wildcards.quantization].recipe
    return disjoint_files(wildcards.model, STUDY.calibrations[recipe.calibration])


def disjoint_files(model, calibration):
    names = []
    if weights_name(model) in TRAINED:
        names += [
            f"training/{STUDY.models[model].training[role]}" for role in TRAINING_ROLES
        ]
    if calibration is not None and calibration.calibration_set is not None:
        names.append(f"frames/calibration/{calibration.calibration_set}")
    return [f"{RESULTS}/{name}.disjoint.json" for name in names]
