def traced_inputs(wildcards):
    """Files whose hashes an arm's manifest holds, by name."""
    arm = arm_of(wildcards)
    traced = {"clip": f"{RESULTS}/frames/{clip_name(wildcards)}.json"}
    if arm.model != BASELINE:
        kinds = {**dict.fromkeys(PYTORCH, "program"), "fixedpoint": "tables"}
        kind = kinds.get(arm.runtime, "onnx")
        traced |= {"weights": weights_of(arm), kind: engine_source(arm)}
    if reference := reference_engine(arm):
        traced["reference"] = reference["reference_engine"]
    return traced | traced_forms(arm) | traced_quantization(arm)


def traced_forms(arm):
    """The forms of an arm's graph among which its engine's was chosen, and the record of the choice."""
    forms = [form for form in forms_of(STUDY, arm) if form != "plain"]
    graph = graph_of(STUDY, arm)
    traced = {
        f"onnx_{form}": f"{RESULTS}/onnx/{arm.model}/{form_file(graph, form)}.onnx"
        for form in forms
        if arm.model != BASELINE
    }
    choice = form_choice(arm)
    return traced | ({"choice": choice} if choice else {})


def traced_quantization(arm):
    """Files behind an arm's INT8: images, ranges, what steps have made of the graph; none for other precisions."""
    if arm.int8 is None:
        return {}
    calibration, recipe = (
        STUDY.calibration_of(arm),
        STUDY.quantizations[arm.int8].recipe,
    )
    traced = {}
    if calibration.calibration_set is not None:
        images = f"{RESULTS}/frames/calibration/{calibration.calibration_set}.json"
        traced["calibration"] = images
    if arm.implicit:
        return traced
    if calibration.tool is not None:
        tool = f"{RESULTS}/onnx/{arm.model}/int8-{arm.int8}.json"
        return traced | {"tool": tool}
    if "path" in calibration.settings:
        traced["cache"] = calibration.settings["path"]
    if recipe.steps:
        traced["refined"] = recipe_file(arm.model, str(recipe), "onnx")
    return traced | {"ranges": recipe_file(arm.model, str(recipe), "json")}


def set_facts(images):
    """What the study says about a calibration or training set."""
    return {
        **asdict(images),
        "sources": [source.describe() for source in images.sources],
    }


def study_of_arm(arm, clip):
    """What the study says about an arm on a clip, for its manifest: all that concerns it, and nothing else."""
    of_clip, reference = STUDY.clips[clip], STUDY.reference_of(arm)
    facts = {
        "study": STUDY.name,
        # What is said of a clip in words decides over no figure.
        "clip": {
            "name": of_clip.name,
            "source": of_clip.source.describe(),
            "downsampling": of_clip.downsampling,
        },
        "model": model_facts(arm),
        "runtime": {
            "frames": frames_of(STUDY, arm),
            "forms": list(forms_of(STUDY, arm)),
            "build": dict(STUDY.builds.get(arm.runtime, {})),
        },
        "quality": dict(STUDY.quality),
        "latency": {
            **STUDY.latency,
            "reference": reference.folder if reference else None,
        },
        "seed": None,
    }
    if (found := STUDY.calibration_of(arm)) is not None:
        facts |= quantization_facts(arm, asdict(found))
    return facts


def model_facts(arm):
    """What the study says about an arm's model; about its training only if it is trained."""
    facts = asdict(STUDY.models[arm.model])
    training = facts.pop("training")
    if facts["weights"] == "train" and arm.model != BASELINE:
        facts["training"] = dict(training)
        facts["training_sets"] = {
            role: set_facts(STUDY.training_sets[training[role]])
            for role in TRAINING_ROLES
        }
    return facts


def quantization_facts(arm, calibration):
    """What the study says about an arm's INT8."""
    quantization = STUDY.quantizations[arm.int8]
    name = STUDY.calibration_of(arm).calibration_set
    return {
        "calibration": calibration,
        "calibration_set": set_facts(STUDY.calibration_sets[name]) if name else None,
        "seed": (calibration["data"] or {}).get("seed"),
        "recipe": str(quantization.recipe),
        "steps": {
            step: dict(STUDY.steps.get(step, {})) for step in quantization.recipe.steps
        },
        "float_layers": list(quantization.float_layers),
    }


def studies_of_manifests():
    """What the study says about the arm of every manifest, by the manifest's path."""
    return {
        f"{RESULTS}/arms/{arm.folder}/manifest{of_clip}.json": study_of_arm(arm, clip)
        for arm in STUDY.arms
        for of_clip, clip in OF_CLIP.items()
    }


def arm_modules(arm):
    """Modules that the jobs behind an arm begin with, from its frames to its figures."""
    modules = ["data/clips.py", "device/tasks/quality.py", "device/tasks/latency.py"]
    if disjoint_images(arm):
        modules.append("data/disjoint.py")
    # Most are timed in turn with a reference.
    engines = [arm, STUDY.reference_of(arm)]
    return modules + [name for one in engines if one for name in engine_modules(one)]


def engine_modules(arm):
    """Modules that make an arm's engine."""
    modules = ["device/tasks/build.py", f"device/runtimes/{arm.runtime}.py"]
    if arm.model != BASELINE:
        modules += graph_modules(arm)
    if form_choice(arm):
        # The form that is the fastest is found with another arm's graph, maybe.
        modules.append("device/tasks/forms.py")
        modules += graph_modules(
            measured_arm(STUDY, arm.target, arm.runtime, kind_of(arm))
        )
    return modules


def graph_modules(arm):
    """Modules that make an arm's graph, in all forms that it may have."""
    modules = ["models/export.py", *int8_modules(arm)]
    if weights_name(arm.model) in TRAINED:
        modules.append("models/training/train.py")
    forms = {*forms_of(STUDY, arm)} if arm.runtime not in PYTORCH else set()
    if forms & {"pixels", "blocks", "channels_last", "levels"}:
        modules.append("models/graphs/uint8/forms.py")
    if "casts" in forms:
        modules.append("models/graphs/uint8/casts.py")
    if graph_of(STUDY, arm) == "fp16":
        modules.append("models/graphs/fp16.py")
    if arm.runtime == "fixedpoint":
        modules.append("quantization/fixed_point.py")
    calibration = STUDY.calibration_of(arm)
    if calibration is not None and calibration.calibration_set is not None:
        modules.append("data/calibration_sets.py")
    return modules


def int8_modules(arm):
    """Modules that quantise an arm's graph; none for other precisions, and where TensorRT does it all."""
    if arm.int8 is None or arm.implicit:
        return []
    calibration, recipe = (
        STUDY.calibration_of(arm),
        STUDY.quantizations[arm.int8].recipe,
    )
    if calibration.tool is not None:
        return [
            "quantization/tools/run.py",
            f"quantization/tools/{calibration.tool}.py",
        ]
    modules = ["quantization/ranges/calibrate.py", "quantization/qdq.py"]
    if calibration.observed is not None:
        modules.append("quantization/ranges/observation.py")
    if recipe.steps:
        modules.append("quantization/steps/refine.py")
    if {*recipe.steps} & {*MEASURED}:
        runtime = STUDY.steps["mixed"]["runtime"]
        modules += ["quantization/layers/subsets.py", "quantization/layers/frontier.py"]
        modules.append(f"device/runtimes/{runtime}.py")
    return modules + [f"quantization/steps/{step}.py" for step in recipe.steps]
