"""The files of a study: every path of the workflow, and the inputs of its jobs.

Rules ask `Paths` for every file. Paths are relative to the working directory, as in Snakemake. A method
returns a path, a list of paths (empty where a job needs none), or a mapping of named inputs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property

from superres.data.shards import shards_of
from superres.device.base.errors import UserError
from superres.device.runtimes import about
from superres.device.runtimes.base import runs_int8
from superres.models.settings import is_baseline
from superres.report.plots.registry import find_plot, split_name
from superres.study.comparisons import compared_arms, differing_in
from superres.study.engines import form_file
from superres.study.graph_paths import GraphPaths, has_braces, unlisted
from superres.study.keys.arms import Arm
from superres.study.keys.report import Upscale
from superres.study.recipes import measured_recipes
from superres.targets.settings import Device

# Networks on one picture.
_SIDE_BY_SIDE = 4


class Paths(GraphPaths):
    """The files of one study: from images to graphs, then arms, tables and plots."""

    # Arms

    @cached_property
    def arms(self) -> list[Arm]:
        """The arms of the study by name: the order of its entries is no input of any job."""
        return sorted(self.study.arms)

    def arm(self, arm: Arm, name: str) -> str:
        """Return a file in an arm's folder."""
        return f"{self.results}/arms/{arm.folder}/{name}"

    def arm_files(
        self, name: str, arms: Iterable[Arm] | None = None, clips: Iterable[str] | None = None
    ) -> list[str]:
        """Return a file of every arm on every clip, in the order of `arms_on_clips`.

        `name` contains `{of_clip}`. By default, `arms` are those of the study. `clips` are suffixes, such as
        `timed`; by default, those of all clips.
        """
        arms, clips = self.arms if arms is None else arms, [*(self.of_clip if clips is None else clips)]
        return [self.arm(arm, name.format(of_clip=of_clip)) for arm in arms for of_clip in clips]

    def timing_files(self, name: str) -> list[str]:
        """Return a file with the speed of every arm on every clip; clips of one size share it."""
        return self.arm_files(name, clips=map(self.timed_suffix, self.of_clip))

    def arms_on_clips(
        self, arms: Iterable[Arm] | None = None, clips: Iterable[str] | None = None
    ) -> list[tuple[str, ...]]:
        """Return target, runtime, model, precision and clip of every arm on every clip, arm by arm."""
        arms, clips = self.arms if arms is None else arms, [*(self.of_clip if clips is None else clips)]
        return [(*arm.cell, self.of_clip[of_clip]) for arm in arms for of_clip in clips]

    @property
    def evaluated(self) -> tuple[Arm, ...]:
        """The arms of the target `evaluate`: all arms, and those of the sweep."""
        return (*self.arms, *sorted(self.study.swept))

    def engine_source(self, arm: Arm) -> list[str]:
        """Return the file that an engine is built from: ONNX, PyTorch's program, or none for bicubic."""
        match about(arm.runtime).source:
            case "onnx":
                return [self.onnx(arm.model, form_file(self.study, arm))]
            case "program":
                # A network of others has no program; the runtime says so.
                return [] if arm.model in self.adopted else [f"{self.results}/programs/{arm.model}.pt"]
            case _:
                return []

    def engine_inputs(self, arm: Arm) -> dict[str, list[str]]:
        """Return the inputs of the job that builds an engine.

        `graph` is the graph whose need of memory is known, in float32 planes. `clips` have the sizes of
        frames that aren't known before, for a runtime whose engines are built for them. `calibration` has the
        images of TensorRT's own calibration.
        """
        implicit = self.calibration_frames(self.study.calibration_of(arm)) if arm.implicit else []
        return {
            "model": self.engine_source(arm),
            "graph": [graph] if (graph := self.counted_graph(arm)) else [],
            "clips": self.listed_sizes if about(arm.runtime).sized else [],
            "calibration": implicit,
        }

    # Shards

    def shards(self, role: str, name: str) -> list[tuple[int, int]]:
        """Return the shards of a clip or a training set; none if one job prepares it."""
        return shards_of(self.sources_of(self.image_set(role, name)), self.study.shard_frames)

    def shard(self, role: str, name: str, shard: str) -> tuple[int, int]:
        """Return the first frame of a shard and the one after its last, by its number."""
        return self.shards(role, name)[int(shard)]

    @property
    def sharded(self) -> list[str]:
        """The clips and training sets that are prepared in shards: their files without endings."""
        sets = {"frames": self.study.clips, "training": self.study.training_sets}
        return [f"{role}/{name}" for role in sets for name in sorted(sets[role]) if self.shards(role, name)]

    @cached_property
    def sharded_clips(self) -> list[str]:
        """The suffixes of the clips that are measured in shards."""
        return [of_clip for of_clip, name in self.of_clip.items() if self.shards("frames", name)]

    def shards_of_set(self, images: str) -> dict[str, list[str]]:
        """Return the files of all shards of a clip or a training set, in order."""
        parts = range(len(self.shards(*images.split("/"))))
        kinds = {"hr": "hr.npy", "index": "json"}
        return {
            name: [f"{self.results}/{images}.shards/{part}.{kind}" for part in parts]
            for name, kind in kinds.items()
        }

    def quality_shards(self, arm: Arm, of_clip: str) -> dict[str, list[str]]:
        """Return the files with an arm's quality on all shards of a clip, in order."""
        parts = range(len(self.shards("frames", self.named_clip(of_clip))))
        kinds = {"quality": ("quality", "csv"), "record": ("quality", "json"), "sample": ("sample", "npy")}
        return {
            name: [self.arm(arm, f"shards/{stem}{of_clip}.{part}.{end}") for part in parts]
            for name, (stem, end) in kinds.items()
        }

    def reference_engine(self, arm: Arm) -> dict[str, str]:
        """Return the engine of the reference that an arm is timed against; empty without one."""
        reference = self.study.reference_of(arm)
        if reference is None:
            return {}
        return {
            "reference_engine": self.arm(reference, "engine.bin"),
            "reference_record": self.arm(reference, "engine.json"),
        }

    def counted_graph(self, arm: Arm) -> str | None:
        """Return the ONNX file whose operations count as those of an arm; None for bicubic."""
        if is_baseline(arm.model):
            return None
        float_graph = not arm.as_is and (arm.int8 is None or arm.implicit)
        return self.onnx(arm.model, "fp32" if float_graph else arm.precision)

    @property
    def counted_graphs(self) -> list[str]:
        """The same for all arms, each file once."""
        return sorted({graph for arm in self.study.arms if (graph := self.counted_graph(arm))})

    @property
    def graphs_of_arms(self) -> list[str | None]:
        """The `counted_graph` of every arm on every clip, in the order of `arms_on_clips`."""
        return [self.counted_graph(arm) for arm in self.arms for _ in self.of_clip]

    @property
    def int8_graphs(self) -> list[str | None]:
        """The Q/DQ graph of every evaluated arm on every clip; None for other arms and for those of a GPU."""

        def graph(arm: Arm) -> str | None:
            own = runs_int8(arm.precision) and not arm.implicit and not about(arm.runtime).device_bound
            return self.counted_graph(arm) if own else None

        return [graph(arm) for arm in self.evaluated for _ in self.of_clip]

    def timing(self, arm: Arm, of_clip: str) -> dict[str, str]:
        """Return the files with an arm's speed on frames of a clip's size."""
        name = f"latency{self.timed_suffix(of_clip)}"
        return {"latency": self.arm(arm, f"{name}.csv"), "latency_record": self.arm(arm, f"{name}.json")}

    def arm_groups(self) -> dict[str, list[Arm]]:
        """Return arms by the names of their groups: precision, runtime, model."""
        groups = defaultdict(list)
        for arm in self.study.arms:
            for name in (arm.precision, arm.runtime, arm.model):
                groups[name].append(arm)
        return dict(groups)

    @property
    def targets(self) -> list[str]:
        """The names of the targets that have arms."""
        return sorted({arm.target for arm in self.study.arms})

    @property
    def devices(self) -> list[str]:
        """The names of the targets that are other machines."""
        return sorted(name for name, target in self.study.targets.items() if isinstance(target, Device))

    # A video

    @property
    def upscaled_video(self) -> str:
        """The video that the target `upscale` writes. Raises UserError if the study names none."""
        return self._upscale.output

    @property
    def upscale_inputs(self) -> dict[str, str | list[str]]:
        """The inputs of the job that upscales a video. It may build the engine again for another size."""
        arm = self._upscale.arm
        built_from = self.engine_inputs(arm)
        return {
            "video": [] if has_braces(self._upscale.input) else self._upscale.input,
            "engine": self.arm(arm, "engine.bin"),
            "engine_record": self.arm(arm, "engine.json"),
            "model": built_from["model"],
            "calibration": built_from["calibration"],
        }

    @property
    def upscaled_from(self) -> str:
        """The video that is upscaled."""
        return self._upscale.input

    @property
    def unlisted_video(self) -> list[tuple[str, int, int]]:
        """The same with size and time if it can't be an input of the job."""
        return unlisted([self._upscale.input])

    @property
    def _upscale(self) -> Upscale:
        if self.study.upscale is None:
            raise UserError(
                "upscale: expected a video, found none; name one: --config upscale='{input: clip.mp4}'"
            )
        return self.study.upscale

    # Tables

    @property
    def sensitivity_tables(self) -> list[str]:
        """The sensitivity tables of the models that the study names."""
        wanted = self.study.sensitivity
        models = wanted.models if wanted else ()
        return [f"{self.results}/sensitivity/{model}/{wanted.recipe}.csv" for model in models if wanted]

    def frontier(self, model: str, recipe: str) -> str:
        """Return the table of costs and gains of each choice of float layers after a recipe."""
        return f"{self.results}/frontier/{model}/{recipe}.csv"

    @property
    def tools(self) -> dict[str, str]:
        """The external quantiser of each INT8 precision that has one, by the name after `int8-`."""
        used = {
            name: self.study.calibrations[q.recipe.calibration]
            for name, q in self.study.quantizations.items()
        }
        return {name: calibration.tool for name, calibration in sorted(used.items()) if calibration.tool}

    @property
    def compared(self) -> list[Arm]:
        """The arms in the comparison of external quantisers."""
        return compared_arms(self.study)

    @property
    def compared_graphs(self) -> list[tuple[str, str]]:
        """Model and precision of the graphs of the compared arms."""
        return list(dict.fromkeys((arm.model, arm.precision) for arm in self.compared))

    # Plots

    @property
    def plots(self) -> list[str]:
        """The plots of the target `all`."""
        networks = bool(self.networks)
        return [
            *(["psnr_fps"] if networks else []),
            *(["int8_loss"] if any(arm.int8 for arm in self.study.arms) else []),
            *(["fps"] if networks else []),
            *self.layer_plots,
            *(f"training.{model}" for model in self.trained),
            *self.sample_plots,
            *self.graph_plots,
        ]

    @property
    def graph_plots(self) -> list[str]:
        """The pictures of the networks: one of each, and one of all where so many are easy to compare."""
        networks = self.networks
        side_by_side = 1 < len(networks) <= _SIDE_BY_SIDE
        return [*(f"graph_{model}" for model in networks), *(["graphs"] if side_by_side else [])]

    @cached_property
    def networks(self) -> list[str]:
        """The models that have arms and an ONNX graph, by name."""
        return sorted({arm.model for arm in self.study.arms if not is_baseline(arm.model)})

    def drawn_graphs(self, model: str) -> list[tuple[str, str]]:
        """Return model and precision of the graphs in a picture: of one model, or of all for an empty name.

        That of one model is its calibrated INT8 graph if it has one, as it shows the FP32 graph too.
        """
        if not model:
            return [(name, "fp32") for name in self.networks]
        int8, calibrated = self._int8.get(model, ()), f"int8-{self.study.table.calibrated}"
        return [(model, calibrated if calibrated in int8 else min(int8, default="fp32"))]

    @cached_property
    def _int8(self) -> dict[str, set[str]]:
        """The INT8 precisions of each model that have a graph of Q/DQ nodes."""
        found = defaultdict[str, set[str]](set)
        for arm in self.arms:
            if arm.int8 and not arm.implicit:
                found[arm.model].add(arm.precision)
        return found

    @property
    def evaluation_plots(self) -> list[str]:
        """The plots of the target `evaluate`."""
        return [*self.layer_plots, *(["images"] if differing_in(self.study, "images") else [])]

    @property
    def layer_plots(self) -> list[str]:
        """The plots of layers that the study measures: sensitivity and frontiers."""
        return [
            *(["sensitivity"] if self.study.sensitivity else []),
            *dict.fromkeys(f"frontier.{recipe}" for _, recipe in self.measured),
        ]

    @cached_property
    def measured(self) -> list[tuple[str, str]]:
        """Each model and recipe that a measured step of some arm follows."""
        return measured_recipes(self.study.arms, self.study.quantizations)

    @property
    def sample_plots(self) -> list[str]:
        """The pictures of a detail, one a clip; none if no network runs in their runtime."""
        if all(is_baseline(arm.model) for arm in self.sample_arms):
            return []
        return [f"samples{of_clip}" for of_clip in self.of_clip]

    @property
    def sample_arms(self) -> list[Arm]:
        """The arms in those pictures: bicubic, and all of one runtime."""
        shown = self.study.samples.runtime
        return [arm for arm in self.arms if arm.runtime == shown or is_baseline(arm.model)]

    # The page

    @property
    def page(self) -> str:
        """The page with all results."""
        return f"{self.results}/report/index.html"

    @property
    def page_ranges(self) -> list[tuple[str, str]]:
        """Model and calibration of the ranges that INT8 arms begin with."""
        arms = [arm for arm in self.arms if arm.int8 and not arm.implicit]
        named = [(arm.model, self.study.calibration_of(arm)) for arm in arms]
        return sorted({(model, one.name) for model, one in named if one is not None and one.tool is None})

    @property
    def page_observed(self) -> list[tuple[str, str]]:
        """Model and images of the statistics behind these ranges."""
        observed = {(model, self.study.calibrations[name].observed) for model, name in self.page_ranges}
        return sorted((model, images) for model, images in observed if images is not None)

    @property
    def page_profiled(self) -> list[Arm]:
        """The arms whose operations the page shows."""
        return [arm for arm in self.arms if self.study.profile.shows(arm) and not is_baseline(arm.model)]

    def page_inputs(self) -> dict[str, str | list[str]]:
        """Return the inputs of the page, by name."""
        return {
            "metrics": f"{self.results}/metrics.csv",
            "recommendation": f"{self.results}/recommendation.json",
            "manifests": self.arm_files("manifest{of_clip}.json"),
            "hr": self.clips("hr.npy"),
            "index": self.clips("json"),
            "samples": self.arm_files("sample{of_clip}.npy"),
            "observed": [
                f"{self.results}/ranges/{model}/observed/{name}.npz" for model, name in self.page_observed
            ],
            "ranges": [f"{self.results}/ranges/{model}/{name}.json" for model, name in self.page_ranges],
            "sensitivities": self.sensitivity_tables,
            "frontiers": [self.frontier(model, recipe) for model, recipe in self.measured],
            "drawings": [f"{self.results}/plots/graph_{model}.svg" for model in self.networks],
            "profiles": self.arm_files("profile{of_clip}.csv", self.page_profiled, self.timed),
            "profile_records": self.arm_files("profile{of_clip}.json", self.page_profiled, self.timed),
        }

    def plot_inputs(self, plot: str) -> dict[str, str | list[str]]:
        """Return the inputs of a plot, such as `fps`, `training.espcn_rgb` or `graph_espcn_rgb`, by name."""
        of = split_name(plot)[1]
        of_clip = of and f".{of}"
        files: dict[str, Callable[[], str | list[str]]] = {
            "metrics": lambda: f"{self.results}/metrics.csv",
            "evaluation": lambda: f"{self.results}/evaluation.csv",
            "profile": lambda: f"{self.results}/profile.csv",
            "curve": lambda: f"{self.results}/weights/{of}.csv",
            "sensitivities": lambda: self.sensitivity_tables,
            "frontiers": lambda: [self.frontier(model, name) for model, name in self.measured if name == of],
            "hr": lambda: self.clip(self.named_clip(of_clip), "hr.npy"),
            "clip": lambda: self.clip(self.named_clip(of_clip), "json"),
            "samples": lambda: [self.arm(arm, f"sample{of_clip}.npy") for arm in self.sample_arms],
            "graphs": lambda: [self.onnx(*graph) for graph in self.drawn_graphs(of)],
        }
        return {name: files[name]() for name in find_plot(plot).inputs}
