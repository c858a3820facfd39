"""Which file of a study comes from which: every path of the workflow, and the inputs of its jobs.

Rules ask `Paths` and nothing else where a file lies. All paths are relative to the working directory, as Snakemake has
them. A method returns one path, a list of paths (empty where a job needs none), or a mapping of named inputs.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from superres.data.sources.source import Source
from superres.device.base.errors import UserError
from superres.device.runtimes import about
from superres.models.settings import weights_name
from superres.quantization.recipes import STEPS
from superres.quantization.settings import Calibration
from superres.study.arms import Arm
from superres.study.comparisons import compared_arms, differing_in
from superres.study.downloads import frames_made_of
from superres.study.engines import form_file
from superres.study.keys.data import CalibrationSet, Clip, TrainingSet
from superres.study.keys.models import BASELINE, TRAINING_ROLES
from superres.study.keys.report import Upscale
from superres.study.keys.study import Study
from superres.study.recipes import measured_recipes
from superres.targets.settings import Device

PACKAGES = "resources/packages"
"""Downloaded wheels, shared by all studies."""
DOWNLOADS = "resources/downloads"
"""Downloaded files, shared by all studies."""


class Paths:
    """The files of one study."""

    def __init__(self, study: Study):
        self.study = study
        self.results = f"results/{study.name}"
        self.logs = f"{self.results}/logs"
        self.benchmarks = f"{self.results}/benchmarks"

    # Clips and images

    @property
    def of_clip(self) -> dict[str, str]:
        """The clips by what the names of an arm's files carry for each: nothing if the study names only one clip."""
        clips = self.study.clips
        if len(clips) + len(self.study.left_out) == 1:
            return {"": next(iter(clips))}
        return {f".{name}": name for name in clips}

    def clip(self, name: str, kind: str) -> str:
        """A file of a clip: `hr.npy`, `lr.npy` or its index, `json`."""
        return f"{self.results}/frames/{name}.{kind}"

    def clips(self, kind: str) -> list[str]:
        """The same file of every clip."""
        return [self.clip(name, kind) for name in self.study.clips]

    def calibration_frames(self, calibration: Calibration | None, kind: str = "npy") -> list[str]:
        """The frames of a calibration's images, or their index; none for random data and without images."""
        name = calibration.calibration_set if calibration is not None else None
        return [f"{self.results}/frames/calibration/{name}.{kind}"] if name is not None else []

    def training_set(self, model: str, role: str, kind: str) -> str:
        """A file of the set that a model is trained (`training_set`) or validated (`validation_set`) on."""
        return f"{self.results}/training/{getattr(self.study.models[model].training, role)}.{kind}"

    def image_set(self, role: str, name: str) -> Clip | TrainingSet:
        """What lies in the folder `frames` (a clip) or `training` (a training set) under a name."""
        return self.study.clips[name] if role == "frames" else self.study.training_sets[name]

    @staticmethod
    def sources_of(images: Clip | TrainingSet | CalibrationSet) -> tuple[Source, ...]:
        """The sources that images are read from."""
        return (images.source,) if isinstance(images, Clip) else tuple(images.sources)

    def read_by(self, images: Clip | TrainingSet | CalibrationSet) -> dict[str, list[str]]:
        """Inputs of what prepares images: downloaded wheels, and files that are on this machine or fetched."""
        sources = self.sources_of(images)
        packages = [source.package for source in sources]
        wheels = {f"{PACKAGES}/{package.wheel}" for package in packages if package and package.wheel}
        return {
            "packages": sorted(wheels),
            "files": [file for source in sources for file in source.files],
        }

    def read_by_set(self, role: str, name: str) -> dict[str, list[str]]:
        """The same for a clip or a training set by its folder and name."""
        return self.read_by(self.image_set(role, name))

    def room_for_frames(self, file: str) -> int:
        """Bytes of the frame files that are still to be made of a fetched file."""
        made = frames_made_of(self.study, file)
        return sum(size for path, size in made if not Path(self.results, path).exists())

    def disjoint(self, arm: Arm) -> list[str]:
        """Proof that an arm was trained and calibrated on no frame of a clip; without it, its PSNR would mean nothing."""
        return self._disjoint(arm.model, self.study.calibration_of(arm))

    def disjoint_recipe(self, model: str, quantization: str) -> list[str]:
        """The same for what is behind `int8-` in a precision."""
        calibration = self.study.quantizations[quantization].recipe.calibration
        return self._disjoint(model, self.study.calibrations[calibration])

    def _disjoint(self, model: str, calibration: Calibration | None) -> list[str]:
        files = []
        if weights_name(model) in self.trained:
            files += [self.training_set(model, role, "disjoint.json") for role in TRAINING_ROLES]
        return files + self.calibration_frames(calibration, "disjoint.json")

    # Models and graphs

    @property
    def trained(self) -> list[str]:
        """Models that the study trains; a folded model has the weights of another."""
        models = self.study.models.items()
        return sorted({weights_name(name) for name, m in models if m.weights == "train" and name != BASELINE})

    def weights(self, model: str) -> str:
        """A model's weights: shipped with the package, or trained by this study."""
        name = weights_name(model)
        if self.study.models[model].weights == "pretrained":
            return f"src/superres/models/weights/{name}.safetensors"
        return f"{self.results}/weights/{name}.safetensors"

    def onnx(self, model: str, graph: str) -> str:
        """An ONNX file: `fp32`, `fp16`, `int8-NAME`, or one of these in a form, such as `fp32.blocks`."""
        return f"{self.results}/onnx/{model}/{graph}.onnx"

    def engine_source(self, arm: Arm) -> list[str]:
        """What an engine is built from: an ONNX file, PyTorch's program, or nothing for bicubic."""
        match about(arm.runtime).source:
            case "onnx":
                return [self.onnx(arm.model, form_file(self.study, arm))]
            case "program":
                return [f"{self.results}/programs/{arm.model}.pt"]
            case _:
                return []

    def counted_graph(self, arm: Arm) -> str | None:
        """The ONNX file that says which operations an arm's network computes; None for bicubic."""
        if arm.model == BASELINE:
            return None
        return self.onnx(arm.model, "fp32" if arm.int8 is None or arm.implicit else arm.precision)

    @property
    def counted_graphs(self) -> list[str]:
        """The same for all arms, each file once."""
        return sorted({graph for arm in self.study.arms if (graph := self.counted_graph(arm))})

    # Ranges, recipes, Q/DQ graphs

    def observed(self, model: str, calibration: str) -> list[str]:
        """The statistics that a calibration reads; none for a method that looks at no image."""
        name = self.study.calibrations[calibration].observed
        return [f"{self.results}/ranges/{model}/observed/{name}.npz"] if name is not None else []

    def observed_frames(self, images: str) -> list[str]:
        """The calibration frames of the images that calibrations share under a name; none for random data."""
        return self.calibration_frames(self.observing(images)[0])

    def observing(self, images: str) -> list[Calibration]:
        """The calibrations that share one pass of images through the FP32 graph."""
        return [c for c in self.study.calibrations.values() if c.observed == images]

    def replayed_cache(self, calibration: str) -> list[str]:
        """The TensorRT calibration cache that a calibration replays; none for other methods."""
        path = self.study.calibrations[calibration].path
        return [path] if path is not None else []

    def recipe_onnx(self, model: str, recipe: str) -> str:
        """The FP32 graph that a recipe, such as `entropy+center`, arrives at."""
        return f"{self.results}/refined/{model}/{recipe}.onnx" if "+" in recipe else self.onnx(model, "fp32")

    def recipe_ranges(self, model: str, recipe: str) -> str:
        """The ranges that a recipe arrives at."""
        return f"{self.results}/{'refined' if '+' in recipe else 'ranges'}/{model}/{recipe}.json"

    def recipe_frames(self, recipe: str) -> list[str]:
        """The calibration frames of a recipe; none for random data."""
        return self.calibration_frames(self.recipe_calibration(recipe))

    def recipe_calibration(self, recipe: str) -> Calibration:
        """The calibration that a recipe begins with."""
        return self.study.calibrations[recipe.partition("+")[0]]

    def quantized(self, model: str, quantization: str) -> dict[str, str]:
        """Inputs of an INT8 graph: the FP32 graph and the ranges of its recipe."""
        recipe = str(self.study.quantizations[quantization].recipe)
        return {"onnx": self.recipe_onnx(model, recipe), "ranges": self.recipe_ranges(model, recipe)}

    def refined(self, model: str, recipe: str, step: str) -> dict[str, str | list[str]]:
        """Inputs of a step: graph and ranges of the recipe before it, its images, and what was measured before it."""
        measured = STEPS[step].measured
        images = self.recipe_frames(recipe) if STEPS[step].images != "none" else []
        return {
            "onnx": self.recipe_onnx(model, recipe),
            "ranges": self.recipe_ranges(model, recipe),
            "frames": images,
            "measured": [f"{self.results}/{measured.format(model=model, recipe=recipe)}"] if measured else [],
        }

    # Arms

    def arm(self, arm: Arm, name: str) -> str:
        """A file in an arm's folder."""
        return f"{self.results}/arms/{arm.folder}/{name}"

    def arm_files(self, name: str, arms: Iterable[Arm] | None = None) -> list[str]:
        """A file, with `{of_clip}` in its name, of every arm on every clip, in the order of `arms_on_clips`."""
        arms = self.study.arms if arms is None else arms
        return [self.arm(arm, name.format(of_clip=of_clip)) for arm in arms for of_clip in self.of_clip]

    def arms_on_clips(self, arms: Iterable[Arm] | None = None) -> list[tuple[str, ...]]:
        """Target, runtime, model, precision and clip of every arm on every clip, arm by arm."""
        arms = self.study.arms if arms is None else arms
        return [(*arm.cell, clip) for arm in arms for clip in self.of_clip.values()]

    @property
    def evaluated(self) -> tuple[Arm, ...]:
        """What the target `evaluate` measures: all arms, and those of the sweep."""
        return (*self.study.arms, *self.study.swept)

    def engine_inputs(self, arm: Arm) -> dict[str, list[str]]:
        """Inputs of the job that builds an engine.

        `clips` are indices of the clips whose frame sizes the engine is built for, `calibration` the images on which
        TensorRT calibrates itself.
        """
        implicit = self.calibration_frames(self.study.calibration_of(arm)) if arm.implicit else []
        return {
            "model": self.engine_source(arm),
            "clips": self.clips("json") if about(arm.runtime).sized else [],
            "calibration": implicit,
        }

    @property
    def upscaled_video(self) -> str:
        """The video that the target `upscale` makes; raises UserError if the study names none."""
        return self._upscale.output

    @property
    def upscale_inputs(self) -> dict[str, str | list[str]]:
        """Inputs of the job that upscales a video; what an engine is built from too, for a video of another size."""
        arm = self._upscale.arm
        built_from = self.engine_inputs(arm)
        return {
            "video": self._upscale.input,
            "engine": self.arm(arm, "engine.bin"),
            "engine_record": self.arm(arm, "engine.json"),
            "model": built_from["model"],
            "calibration": built_from["calibration"],
        }

    @property
    def _upscale(self) -> Upscale:
        if self.study.upscale is None:
            raise UserError(
                "upscale: expected a video, found none; name one: --config upscale='{input: clip.mp4}'"
            )
        return self.study.upscale

    def reference_engine(self, arm: Arm) -> dict[str, str]:
        """Engine of the arm that another is timed in turn with, as named inputs; none where there is no such arm."""
        reference = self.study.reference_of(arm)
        if reference is None:
            return {}
        return {
            "reference_engine": self.arm(reference, "engine.bin"),
            "reference_record": self.arm(reference, "engine.json"),
        }

    def arm_groups(self) -> dict[str, list[Arm]]:
        """Arms by the names that they can be asked for: precision, runtime, model."""
        groups = defaultdict(list)
        for arm in self.study.arms:
            for name in (arm.precision, arm.runtime, arm.model):
                groups[name].append(arm)
        return dict(groups)

    @property
    def targets(self) -> list[str]:
        """Names of the targets that have arms."""
        return list(dict.fromkeys(arm.target for arm in self.study.arms))

    def is_device(self, target: str) -> bool:
        """Whether a target is another machine."""
        return isinstance(self.study.targets.get(target), Device)

    # Tables, plots and pictures

    @property
    def layer_plots(self) -> list[str]:
        """Plots of what the study measures of its models' layers."""
        recipes = measured_recipes(self.study.arms, self.study.quantizations)
        return [
            *(["sensitivity"] if self.study.sensitivity else []),
            *dict.fromkeys(f"frontier.{recipe}" for _, recipe in recipes),
        ]

    @property
    def plots(self) -> list[str]:
        """Every plot of the target `all`."""
        return [
            "psnr_fps",
            *(["int8_loss"] if any(arm.int8 for arm in self.study.arms) else []),
            "fps",
            *self.layer_plots,
            *(f"training.{model}" for model in self.trained),
            *self.sample_plots,
        ]

    @property
    def evaluation_plots(self) -> list[str]:
        """Every plot of the target `evaluate`."""
        return [*self.layer_plots, *(["images"] if differing_in(self.study, "images") else [])]

    @property
    def sample_plots(self) -> list[str]:
        """Pictures of a detail, one a clip; none if no network runs in the runtime that they show."""
        if all(arm.model == BASELINE for arm in self.sample_arms):
            return []
        return [f"samples{of_clip}" for of_clip in self.of_clip]

    @property
    def sample_arms(self) -> list[Arm]:
        """Arms whose upscaled frame is shown: bicubic, and those of one runtime."""
        shown = self.study.samples.runtime
        return [arm for arm in self.study.arms if arm.runtime == shown or arm.model == BASELINE]

    def plot_inputs(self, plot: str) -> dict[str, str | list[str]]:
        """Inputs of a plot by its name: `fps`, `training.espcn_rgb`, `frontier.entropy+center`, `samples.park`."""
        kind, _, of = plot.partition(".")
        files: dict[str, str | list[str]]
        match kind:
            case "sensitivity":
                files = {"tables": self.sensitivity_tables}
            case "frontier":
                recipes = measured_recipes(self.study.arms, self.study.quantizations)
                files = {
                    "tables": [self.frontier(model, recipe) for model, recipe in recipes if recipe == of]
                }
            case "training":
                files = {"curve": f"{self.results}/weights/{of}.csv"}
            case "images":
                files = {"evaluation": f"{self.results}/evaluation.csv"}
            case "operations":
                files = {"profile": f"{self.results}/profile.csv"}
            case "samples":
                files = self._sample_files(plot.removeprefix(kind))
            case _:
                files = {"metrics": f"{self.results}/metrics.csv"}
        return files

    def _sample_files(self, of_clip: str) -> dict[str, str | list[str]]:
        clip = self.of_clip[of_clip]
        samples = [self.arm(arm, f"sample{of_clip}.npy") for arm in self.sample_arms]
        return {"hr": self.clip(clip, "hr.npy"), "clip": self.clip(clip, "json"), "samples": samples}

    @property
    def sensitivity_tables(self) -> list[str]:
        """The sensitivity of every model that the study asks for."""
        wanted = self.study.sensitivity
        models = wanted.models if wanted else ()
        return [f"{self.results}/sensitivity/{model}/{wanted.recipe}.csv" for model in models if wanted]

    def frontier(self, model: str, recipe: str) -> str:
        """What each choice of layers in float costs and brings, after a recipe."""
        return f"{self.results}/frontier/{model}/{recipe}.csv"

    @property
    def tools(self) -> dict[str, str]:
        """INT8 precisions, by what follows `int8-`, whose graphs the quantiser of others makes, and which."""
        used = {
            name: self.study.calibrations[q.recipe.calibration]
            for name, q in self.study.quantizations.items()
        }
        return {name: calibration.tool for name, calibration in sorted(used.items()) if calibration.tool}

    @property
    def graphs_of_arms(self) -> list[str | None]:
        """The `counted_graph` of every arm on every clip, in the order of `arms_on_clips`."""
        return [self.counted_graph(arm) for arm in self.study.arms for _ in self.of_clip]

    @property
    def compared(self) -> list[Arm]:
        """Arms in which others' tools are compared."""
        return compared_arms(self.study)

    @property
    def compared_graphs(self) -> list[tuple[str, str]]:
        """Model and precision of the graphs behind the compared arms."""
        return list(dict.fromkeys((arm.model, arm.precision) for arm in self.compared))
