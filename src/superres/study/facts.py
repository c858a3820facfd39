"""The facts in a manifest of an arm: its part of the study, its files, and the code of their jobs."""

from functools import cached_property
from typing import Any

from superres.device.base.outputs import recorded_path
from superres.device.runtimes import RUNTIMES, about
from superres.device.tasks import TASKS
from superres.models.graphs.uint8.forms import FORMS, FORMS_OF, PLAIN
from superres.models.settings import is_baseline, weights_name
from superres.quantization.recipes import STEPS
from superres.quantization.settings import Calibration
from superres.report.plots.registry import find_plot
from superres.study.engines import form_of, frames_of, graph_of
from superres.study.keys.arms import Arm
from superres.study.keys.data import CalibrationSet, Clip, TrainingSet
from superres.study.keys.models import TRAINING_ROLES
from superres.study.keys.study import Study
from superres.study.paths import Paths


class Facts:
    """The facts of one study's arms."""

    def __init__(self, paths: Paths):
        self.paths = paths
        self.study: Study = paths.study
        self._behind: dict[Arm, tuple[str, ...]] = {}

    # Files

    def traced(self, arm: Arm, of_clip: str) -> dict[str, str]:
        """Return the files whose hashes an arm's manifest holds, by kind."""
        clip, scale = self.paths.named_clip(of_clip), self.study.scale_of(arm.model)
        traced = {"clip": self.paths.clip(clip, "json"), "lr": self.paths.clip(clip, f"x{scale}.json")}
        if not is_baseline(arm.model):
            kind = about(arm.runtime).source
            foreign = arm.model in self.paths.adopted
            traced["weights"] = (self.paths.foreign_file if foreign else self.paths.weights)(arm.model)
            data = self.paths.foreign_data(arm.model) if foreign else []
            traced |= {f"weights_data{number}": file for number, file in enumerate(data, 1)}
            source = next(iter(self.paths.engine_source(arm)), None)
            if source is None:
                return traced
            traced[kind] = source
            if kind == "onnx" and form_of(self.study, arm) != PLAIN:
                # The graph in its form, and the graph that it was made of.
                traced |= {"onnx": self.paths.onnx(arm.model, graph_of(arm)), "onnx_form": source}
        if reference := self.paths.reference_engine(arm):
            traced["reference"] = reference["reference_engine"]
        return traced | self._traced_int8(arm)

    def _traced_int8(self, arm: Arm) -> dict[str, str]:
        """Return the files of an arm's INT8: images, ranges, refined graph. Empty for other precisions."""
        calibration = self.study.calibration_of(arm)
        if arm.int8 is None or calibration is None:
            return {}
        traced = _named("calibration", self.paths.calibration_frames(calibration, "json"))
        if arm.implicit:
            return traced
        if calibration.tool is not None:
            record = self.paths.onnx(arm.model, arm.precision).removesuffix(".onnx")
            return traced | {"tool": f"{record}.json"}
        traced |= _named("cache", self.paths.replayed_cache(calibration.name))
        recipe = self.study.quantizations[arm.int8].recipe
        if recipe.steps:
            traced["refined"] = self.paths.recipe_onnx(arm.model, str(recipe))
        return traced | {"ranges": self.paths.recipe_ranges(arm.model, str(recipe))}

    # Code

    def code_behind(self, arm: Arm) -> tuple[str, ...]:
        """Return the code of an arm's figures: names of rules, and paths of modules that are loaded by name.

        It includes the code of frames, graph and engine, and that of the reference's engine. It is found once
        an arm: a manifest asks for it three times.
        """
        if arm not in self._behind:
            self._behind[arm] = tuple(sorted(self._code_behind(arm)))
        return self._behind[arm]

    def _code_behind(self, arm: Arm) -> set[str]:
        names = {"prepare_clip", "downsample_clip"}
        names |= {self.task_module("measure_quality"), self.task_module("measure_latency")}
        if self.paths.disjoint(arm, ""):
            names.add("check_disjoint_images")
        if self.paths.sharded_clips:
            names |= {"join_clip", "join_quality"}
        for one in (arm, self.study.reference_of(arm)):
            if one is not None:
                names |= {self.task_module("build_engine"), self.runtime_module(one.runtime)}
                names |= self._code_of_graph(one)
        return names

    def _code_of_graph(self, arm: Arm) -> set[str]:
        if is_baseline(arm.model):
            return set()
        calibration, form = self.study.calibration_of(arm), form_of(self.study, arm)
        names = set()
        if weights_name(arm.model) in self.paths.trained:
            names.add("train_model")
        if self.paths.calibration_frames(calibration):
            names.add("prepare_calibration_set")
        if about(arm.runtime).source == "program":
            # The memory that an engine needs is estimated from the FP32 graph.
            return names | {"export_onnx", "export_program"}
        names.add("adopt_onnx" if arm.model in self.paths.adopted else "export_onnx")
        if arm.model in self.paths.checkpoints:
            names.add("export_checkpoint")
        if arm.as_is:
            names.add("adopt_as_is")
        if graph_of(arm) == "fp16":
            names.add("convert_fp16")
        if form != PLAIN:
            names |= {"write_uint8_graph", self.form_module(form)}
        return names if calibration is None or arm.implicit else names | self._code_of_int8(arm, calibration)

    def _code_of_int8(self, arm: Arm, calibration: Calibration) -> set[str]:
        if calibration.tool is not None:
            return {"quantize_by_tool", self.tool_module(calibration.tool)}
        names = {"calibrate_ranges", "quantize_onnx"}
        if calibration.observed is not None:
            names.add("observe_activations")
        for step in self.study.quantizations[arm.int8 or ""].recipe.steps:
            names |= {"refine_onnx", self.step_module(step)}
            if STEPS[step].measured:
                names |= {"measure_subsets", "time_subsets", "find_frontier"}
                names |= {*self.executor_modules(self.study.steps.of(step)["runtime"])}
        return names

    @staticmethod
    def task_module(task: str) -> str:
        """Return the module of a job's task, relative to the package."""
        return _path_of(TASKS[task])

    @staticmethod
    def runtime_module(runtime: str) -> str:
        """Return the module of a runtime."""
        return _path_of(RUNTIMES[runtime])

    @staticmethod
    def executor_modules(runtime: str) -> list[str]:
        """Return the modules of a runtime and of its forms, for a job that executes graphs itself."""
        forms = [form for form in FORMS_OF.get(runtime, ()) if form != PLAIN]
        return [Facts.runtime_module(runtime), *map(Facts.form_module, forms)]

    @staticmethod
    def step_module(step: str) -> str:
        """Return the module of a step of recipes."""
        return f"quantization/steps/{step}.py"

    @staticmethod
    def tool_module(tool: str) -> str:
        """Return the module of an external quantiser."""
        return f"quantization/tools/{tool}.py"

    @staticmethod
    def form_module(form: str) -> str:
        """Return the module that writes a form of graphs."""
        return _path_of(FORMS[form].partition(":")[0])

    @staticmethod
    def plot_module(plot: str) -> str:
        """Return the module that draws a plot."""
        return find_plot(plot).module

    # What the study says

    def of_arm(self, arm: Arm, of_clip: str) -> dict[str, Any]:
        """Return all that the study says about an arm on a clip, and nothing else.

        Thousands of arms share what is said of a clip, a model or an INT8 precision.
        """
        reference = self.study.reference_of(arm)
        facts = {
            "study": self.study.name,
            "clip": self._clips[self.paths.named_clip(of_clip)],
            "timed_on": self.paths.timed_clip(self.paths.named_clip(of_clip)),
            "model": self._models[arm.model],
            "runtime": {
                "frames": frames_of(self.study, arm),
                "form": form_of(self.study, arm),
                "build": dict(self.study.builds.get(arm.runtime, {})),
            },
            "quality": self.study.quality.at(self.study.scale_of(arm.model)),
            "latency": {**self._timing, "reference": reference.folder if reference else None},
            "seed": None,
        }
        return facts if arm.int8 is None else facts | self._quantizations[arm.int8]

    @cached_property
    def _clips(self) -> dict[str, dict[str, Any]]:
        return {name: facts_of(clip) for name, clip in self.study.clips.items()}

    @cached_property
    def _models(self) -> dict[str, dict[str, Any]]:
        return {name: self._of_model(name) for name in self.study.models}

    @cached_property
    def _quantizations(self) -> dict[str, dict[str, Any]]:
        return {name: self._of_int8(name) for name in self.study.quantizations}

    @cached_property
    def _timing(self) -> dict[str, Any]:
        return self.study.latency.timing

    def _of_model(self, name: str) -> dict[str, Any]:
        """Return what the study says about a model, including its training if the study trains it."""
        model = self.study.models[name]
        facts = model.model_dump(exclude={"training"}, exclude_none=True)
        for key in ("weights", "onnx", "checkpoint"):
            if isinstance(facts.get(key), str):
                facts[key] = recorded_path(facts[key])
        facts["scale"] = self.study.scale_of(name)
        if model.weights == "train" and not is_baseline(name):
            facts["training"] = model.training.model_dump()
            facts["training_sets"] = {
                role: facts_of(self.study.training_sets[getattr(model.training, role)])
                for role in TRAINING_ROLES
            }
        return facts

    def _of_int8(self, int8: str) -> dict[str, Any]:
        quantization = self.study.quantizations[int8]
        calibration = self.study.calibrations[quantization.recipe.calibration]
        name = calibration.calibration_set
        written = calibration.model_dump()
        return {
            "calibration": written,
            "calibration_set": facts_of(self.study.calibration_sets[name]) if name else None,
            "seed": written.get("data", {}).get("seed"),
            "recipe": str(quantization.recipe),
            "steps": {step: self.study.steps.of(step) for step in quantization.recipe.steps},
            "float_layers": list(quantization.float_layers),
        }

    def of_manifests(self) -> dict[str, dict[str, Any]]:
        """Return what the study says about the arm of every manifest, by the manifest's path."""
        return {
            self.paths.arm(arm, f"manifest{of_clip}.json"): self.of_arm(arm, of_clip)
            for arm in self.study.arms
            for of_clip in self.paths.of_clip
        }


def _named(name: str, files: list[str]) -> dict[str, str]:
    """Return an optional input by its name, or an empty mapping."""
    return {name: files[0]} if files else {}


def _path_of(module: str) -> str:
    """Return a module's path in the package, from its dotted name."""
    return f"{module.removeprefix('superres.').replace('.', '/')}.py"


def facts_of(images: Clip | CalibrationSet | TrainingSet) -> dict[str, Any]:
    """Return the settings that decide the pixels of images, ready for JSON."""
    sources = [images.source] if isinstance(images, Clip) else images.sources
    facts = images.model_dump(exclude={"description", "optional", "source", "sources"})
    return facts | {"sources": [source.describe() for source in sources]}
