"""What a manifest says of an arm: the part of the study that concerns it, the files behind it, and the code of their jobs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from superres.models.settings import weights_name
from superres.quantization.recipes import MEASURED
from superres.report.plots.registry import PLOTS
from superres.study.engines import form_of, frames_of, graph_of
from superres.study.model import TRAINING_ROLES, Arm, Calibration, Study
from superres.study.parse import BASELINE
from superres.study.paths import Paths


@dataclass(frozen=True)
class Step:
    """A job behind an arm: the name of its rule, and the modules that it loads by a name from the study."""

    rule: str
    modules: tuple[str, ...] = ()


class Facts:
    """What is to be told of one study's arms."""

    def __init__(self, paths: Paths):
        self.paths = paths
        self.study: Study = paths.study

    # Files

    def traced(self, arm: Arm, of_clip: str) -> dict[str, str]:
        """Files whose hashes an arm's manifest holds, by what they are."""
        traced = {"clip": self.paths.clip(self.paths.of_clip[of_clip], "json")}
        if arm.model != BASELINE:
            [source] = self.paths.engine_source(arm)
            kind = "program" if source.endswith(".pt") else "onnx"
            traced |= {"weights": self.paths.weights(arm.model), kind: source}
            if kind == "onnx" and form_of(self.study, arm) != "plain":
                # The graph in its form, and the one that it was made of.
                traced |= {"onnx": self.paths.onnx(arm.model, graph_of(self.study, arm)), "onnx_form": source}
        if reference := self.paths.reference_engine(arm):
            traced["reference"] = reference["reference_engine"]
        return traced | self._traced_int8(arm)

    def _traced_int8(self, arm: Arm) -> dict[str, str]:
        """Files behind an arm's INT8: images, ranges, what steps have made of the graph; none for other precisions."""
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

    def steps_behind(self, arm: Arm) -> list[Step]:
        """The jobs behind an arm's figures, from its frames on, with those of the arm it is timed in turn with."""
        steps = [Step("prepare_clip"), Step("measure_quality"), Step("measure_latency")]
        if self.paths.disjoint(arm):
            steps.append(Step("check_disjoint_images"))
        for one in (arm, self.study.reference_of(arm)):
            if one is not None:
                steps.append(Step("build_engine", (self.runtime_module(one.runtime),)))
                steps += self._graph_steps(one)
        return list(dict.fromkeys(steps))

    def code_behind(self, arm: Arm) -> list[str]:
        """The same as names: of rules, and of modules by their paths in the package."""
        return sorted({name for step in self.steps_behind(arm) for name in (step.rule, *step.modules)})

    def _graph_steps(self, arm: Arm) -> Iterator[Step]:
        if arm.model == BASELINE:
            return
        if weights_name(arm.model) in self.paths.trained:
            yield Step("train_model")
        calibration = self.study.calibration_of(arm)
        if self.paths.calibration_frames(calibration):
            yield Step("prepare_calibration_set")
        [source] = self.paths.engine_source(arm)
        if source.endswith(".pt"):
            yield Step("export_program")
            return
        yield Step("export_onnx")
        if graph_of(self.study, arm) == "fp16":
            yield Step("convert_fp16")
        if form_of(self.study, arm) != "plain":
            yield Step("write_uint8_graph", (self.form_module(form_of(self.study, arm)),))
        if calibration is not None and not arm.implicit:
            yield from self._int8_steps(arm, calibration)

    def _int8_steps(self, arm: Arm, calibration: Calibration) -> Iterator[Step]:
        if calibration.tool is not None:
            yield Step("quantize_by_tool", (self.tool_module(calibration.tool),))
            return
        yield Step("calibrate_ranges")
        yield Step("quantize_onnx")
        if calibration.observed is not None:
            yield Step("observe_activations")
        steps = self.study.quantizations[arm.int8 or ""].recipe.steps
        for step in steps:
            yield Step("refine_onnx", (self.step_module(step),))
        if {*steps} & {*MEASURED}:
            runtime = self.runtime_module(self.study.steps["mixed"]["runtime"])
            yield from (Step(rule, (runtime,)) for rule in ("measure_subsets", "time_subsets"))
            yield Step("find_frontier")

    @staticmethod
    def runtime_module(runtime: str) -> str:
        """The module of a runtime, relative to the package."""
        return f"device/runtimes/{runtime}.py"

    @staticmethod
    def step_module(step: str) -> str:
        """The module of a step of recipes."""
        return f"quantization/steps/{step}.py"

    @staticmethod
    def tool_module(tool: str) -> str:
        """The module of a quantiser of others."""
        return f"quantization/tools/{tool}.py"

    @staticmethod
    def form_module(form: str) -> str:
        """The module that writes a form of graphs."""
        return f"models/graphs/uint8/{form}.py"

    @staticmethod
    def plot_module(plot: str) -> str:
        """The module that draws a plot."""
        return PLOTS[plot.partition(".")[0]].module

    # What the study says

    def of_arm(self, arm: Arm, of_clip: str) -> dict[str, Any]:
        """What the study says about an arm on a clip: all that concerns it, and nothing else."""
        clip = asdict(self.study.clips[self.paths.of_clip[of_clip]])
        reference = self.study.reference_of(arm)
        facts = {
            "study": self.study.name,
            # The description of a clip changes no figure.
            "clip": {key: clip[key] for key in ("name", "source", "downsampling")},
            "model": self._of_model(arm),
            "runtime": {
                "frames": frames_of(self.study, arm),
                "form": form_of(self.study, arm),
                "build": dict(self.study.builds.get(arm.runtime, {})),
            },
            "quality": dict(self.study.quality),
            "latency": {**self.study.latency, "reference": reference.folder if reference else None},
            "seed": None,
        }
        calibration = self.study.calibration_of(arm)
        return facts if calibration is None else facts | self._of_int8(arm, calibration)

    def _of_model(self, arm: Arm) -> dict[str, Any]:
        """What the study says about an arm's model; about its training only if it is trained."""
        facts = asdict(self.study.models[arm.model])
        training = facts.pop("training")
        if facts["weights"] == "train" and arm.model != BASELINE:
            facts["training"] = dict(training)
            facts["training_sets"] = {
                role: asdict(self.study.training_sets[training[role]]) for role in TRAINING_ROLES
            }
        return facts

    def _of_int8(self, arm: Arm, calibration: Calibration) -> dict[str, Any]:
        quantization = self.study.quantizations[arm.int8 or ""]
        name = calibration.calibration_set
        return {
            "calibration": asdict(calibration),
            "calibration_set": asdict(self.study.calibration_sets[name]) if name else None,
            "seed": (calibration.data or {}).get("seed"),
            "recipe": str(quantization.recipe),
            "steps": {step: dict(self.study.steps.get(step, {})) for step in quantization.recipe.steps},
            "float_layers": list(quantization.float_layers),
        }

    def of_manifests(self) -> dict[str, dict[str, Any]]:
        """What the study says about the arm of every manifest, by the manifest's path."""
        return {
            self.paths.arm(arm, f"manifest{of_clip}.json"): self.of_arm(arm, of_clip)
            for arm in self.study.arms
            for of_clip in self.paths.of_clip
        }


def _named(name: str, files: list[str]) -> dict[str, str]:
    """An input that may be missing, by its name."""
    return {name: files[0]} if files else {}
