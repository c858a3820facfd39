"""Settings of jobs, as builtin containers, which Snakemake can compare between runs."""

from collections.abc import Callable
from typing import Any

from superres.device.runtimes import about
from superres.models.adoption.statements import Adoption
from superres.models.settings import NetworkSettings, is_baseline
from superres.quantization.recipes import STEPS
from superres.report.plots.registry import find_plot, split_name, write_caption
from superres.study.check.notes import left_out_notes, table_notes
from superres.study.comparisons import differing_in
from superres.study.engines import form_of, frames_of
from superres.study.keys.arms import Arm
from superres.study.keys.study import Study
from superres.study.paths import Paths
from superres.targets.settings import Device

Settings = dict[str, Any]

_CHROMA = {
    "upscaled": "",
    "hr": "; chroma of the HR frames",
    "hr-420": "; chroma of the HR frames, halved and doubled",
}


class JobSettings:
    """The settings of one study's jobs."""

    def __init__(self, paths: Paths):
        self.paths = paths
        self.study: Study = paths.study

    # Arms

    def device(self, target: str) -> list[Device]:
        """Return the device that a target is; none for this machine. Snakemake compares it in a list only."""
        found = self.study.targets.get(target)
        return [found] if isinstance(found, Device) else []

    def runtime_options(self, arm: Arm) -> Settings:
        """Return the options of an arm's runtime: frames, scale, kernel of bicubic, TensorRT's build."""
        options: Settings = {
            "frames": frames_of(self.study, arm),
            "scale": self.study.scale_of(arm.model),
        }
        if about(arm.runtime).build_options:
            options["build"] = dict(self.study.builds[arm.runtime])
        if is_baseline(arm.model):
            options["kernel"] = self.study.models[arm.model].kernel
        return options

    def engine(self, arm: Arm) -> Settings:
        """Return the settings for building an engine, with those of TensorRT's own calibration."""
        settings: Settings = {"options": self.runtime_options(arm)}
        if self.paths.engine_source(arm):
            settings["form"] = form_of(self.study, arm)
        calibration = self.study.calibration_of(arm)
        if calibration is not None and arm.implicit:
            settings["calibration"] = {"method": calibration.method, "data": calibration.model_dump()["data"]}
        return settings

    def known_sizes(self, arm: Arm) -> list[list[int]]:
        """Return the sizes [height, width] that an engine is built for, as far as they are known before."""
        return self.paths.known_sizes(self.study.scale_of(arm.model)) if about(arm.runtime).sized else []

    def quality(self, arm: Arm, of_clip: str) -> Settings:
        """Return the settings for measuring an arm's PSNR on a clip, by the suffix of its files."""
        clip = self.study.clips[self.paths.named_clip(of_clip)]
        frame, options = self.study.samples.frame, self.runtime_options(arm)
        own = {"chroma": clip.chroma, "sample_frame": frame, "options": options}
        return {**self.protocol(arm.model), **own}

    def protocol(self, model: str) -> Settings:
        """Return the settings of `PsnrProtocol` for a model."""
        return self.study.quality.at(self.study.scale_of(model))

    def quality_shard(self, arm: Arm, of_clip: str, shard: str) -> Settings:
        """Return the same for one shard of a clip, by its number."""
        first, end = self.paths.shard("frames", self.paths.named_clip(of_clip), shard)
        return {**self.quality(arm, of_clip), "first": first, "end": end}

    def latency(self, arm: Arm) -> Settings:
        """Return the settings for timing an arm, with its reference."""
        settings = {**self.study.latency.timing, "options": self.runtime_options(arm)}
        settings["rounds"] = self.study.runtimes[arm.runtime].rounds or settings["rounds"]
        reference = self.study.reference_of(arm)
        if reference is not None:
            settings["reference"] = {
                "label": reference.folder,
                "runtime": reference.runtime,
                "precision": reference.precision,
                "options": self.runtime_options(reference),
            }
        return settings

    def profile(self, arm: Arm) -> Settings:
        """Return the settings for timing an arm's operations."""
        return {"runs": self.study.profile.runs, "options": self.runtime_options(arm)}

    def asked_of_targets(self) -> dict[str, dict[str, list[str]]]:
        """Return for each target its runtimes, and for each runtime the precisions of its arms."""
        asked: dict[str, dict[str, list[str]]] = {name: {} for name in self.study.targets}
        for arm in self.paths.evaluated:
            precisions = asked[arm.target].setdefault(arm.runtime, [])
            if arm.precision not in precisions:
                precisions.append(arm.precision)
        return asked

    # Images, models and INT8

    def image_set(self, role: str, name: str) -> Settings:
        """Return the arguments of `prepare_clip`, for a clip or a training set."""
        images = self.paths.image_set(role, name)
        return {
            "name": images.name,
            "sources": list(self.paths.sources_of(images)),
            # All models are measured on the same pixels. Training takes what each scale can use.
            "multiple": self.study.multiple if role == "frames" else 1,
        }

    def downsampling(self, role: str, name: str) -> str:
        """Return the kernel that makes LR twins, for a clip or a training set."""
        return self.paths.image_set(role, name).downsampling

    def package(self, wheel: str) -> Settings:
        """Return the arguments of `download_wheel`."""
        package = next(p for p in self.study.packages.values() if p.wheel == wheel)
        return {"package": package.package, "version": package.version, "sha256": package.sha256}

    def network(self, model: str) -> Settings:
        """Return the arguments of `NetworkSettings`."""
        return self.study.models[model].model_dump(include={*NetworkSettings.model_fields}, exclude_none=True)

    def adoption(self, model: str) -> Settings:
        """Return the arguments of `Adoption`: what the study states of a network of others, and its scale."""
        stated = self.study.models[model].model_dump(include={*Adoption.model_fields}, exclude_none=True)
        return {**stated, "scale": self.study.scale_of(model)}

    def teacher_network(self, model: str) -> Settings:
        """Return the arguments of `NetworkSettings` for the teacher of a model; none without one."""
        teacher = self.study.models[model].training.teacher
        return self.network(teacher.model) if teacher is not None else {}

    def training(self, model: str) -> Settings:
        """Return the arguments of `TrainingSettings`."""
        return self.study.models[model].training.settings

    def observation(self, images: str) -> Settings:
        """Return the data of the calibration that uses most of some images, and every number that one uses.

        Nothing else of a calibration: another name, method or order of them is no reason to look again.
        """
        calibrations = self.paths.observing(images)
        counts = sorted({c.images for c in calibrations if c.images is not None})
        # None means all images of a set.
        most = max(calibrations, key=lambda c: (c.images is None, c.images or 0))
        return {"data": most.model_dump()["data"], "prefixes": counts}

    def calibration(self, name: str) -> Settings:
        """Return the arguments of `Calibration`."""
        return self.study.calibrations[name].model_dump()

    def step(self, recipe: str, step: str) -> Settings:
        """Return the calibration and the settings of a step after a recipe."""
        calibration = self.paths.recipe_calibration(recipe)
        return {"calibration": calibration.model_dump(), "settings": self.study.steps.of(step)}

    @staticmethod
    def step_threads(step: str, threads: int) -> int:
        """Return the threads of a step: 1, or all if it can use them."""
        return 1 if STEPS[step].one_thread else threads

    def float_layers(self, quantization: str) -> list[str]:
        """Return the layers of an INT8 precision that stay in float."""
        return list(self.study.quantizations[quantization].float_layers)

    def executor(self, runtime: str, model: str) -> Settings:
        """Return the arguments of `Executor`, except the threads."""
        return {
            "scale": self.study.scale_of(model),
            "runtime": runtime,
            "frames": self.study.frames[runtime],
            "form": self.study.forms[runtime],
        }

    # Tables and plots

    def references(self) -> list[str]:
        """Return the reference arms: one for each target and scale that has one."""
        references = [
            self.study.reference(scale).on(target)
            for target in sorted(self.paths.targets)
            for scale in self.study.scales
        ]
        return [arm.folder for arm in references if arm in self.study.arms]

    @property
    def calibrated(self) -> str:
        """The precision in the table's column of calibrated INT8."""
        return f"int8-{self.study.table.calibrated}"

    def series(self, setting: str) -> list[tuple[str, tuple[tuple[int, str], ...]]]:
        """Return the INT8 precisions that differ in one setting only, with its values, by common label."""
        return [(series.label, series.precisions) for series in differing_in(self.study, setting)]

    def seeds(self) -> list[tuple[str, list[str]]]:
        """Return the INT8 precisions that differ in their seed only, by common label."""
        return [(label, [name for _, name in precisions]) for label, precisions in self.series("seed")]

    def table_text(self, *, timed: bool = True) -> Settings:
        """Return the texts of a table: notes, the calibrated column, the kernel of bicubic.

        One without `timed` arms says nothing of ratios and the paper's columns.
        """
        clips = [
            f"Clip `{clip.name}`: {clip.description or 'not described'}; "
            f"LR by {clip.downsampling} downsampling{_CHROMA[clip.chroma]}."
            for clip in self.study.clips.values()
        ]
        models = self.study.models
        return {
            "notes": clips + (table_notes if timed else left_out_notes)(self.study),
            "calibrated": self.calibrated,
            "samples": self.paths.sample_plots,
            "kernel": next((model.kernel for name, model in models.items() if is_baseline(name)), None),
        }

    def page(self) -> Settings:
        """Return the texts of the page, and what its files belong to."""
        clips = {name: clip.description or "" for name, clip in self.study.clips.items()}
        return {
            "text": {
                "study": self.study.name,
                "description": self.study.description or "",
                "clips": clips,
                "table": self.table_text(),
                "runtime": self.study.samples.runtime,
                "series": self.series("images"),
            },
            "frame": self.study.samples.frame,
            "clips": [self.paths.named_clip(of_clip) for of_clip in self.paths.of_clip],
            "samples": [(arm[-1], "/".join(arm[:-1])) for arm in self.paths.arms_on_clips()],
            "observed": self.paths.page_observed,
            "ranges": self.paths.page_ranges,
            "drawings": self.paths.networks,
            "profiled": self.paths.arms_on_clips(self.paths.page_profiled, self.paths.timed),
        }

    def plot_caption(self, plot: str) -> str:
        """Caption of a plot in the report."""
        return write_caption(plot, study=self.study.name, runtime=self.study.samples.runtime)

    def plot(self, plot: str) -> Settings:
        """Return the settings of a plot, by name."""
        of = split_name(plot)[1]
        settings: dict[str, Callable[[], Any]] = {
            "calibrated": lambda: self.calibrated,
            "budget": lambda: {
                key: value for key, value in self.study.steps.of("mixed").items() if key.startswith("budget_")
            },
            "series": lambda: self.series("images"),
            "arms": lambda: [
                (arm.model, arm.precision, self.study.scale_of(arm.model)) for arm in self.paths.sample_arms
            ],
            "frame": lambda: self.study.samples.frame,
            "quality": lambda: {scale: self.study.quality.at(scale) for scale in self.study.scales},
            "drawn": lambda: self.paths.drawn_graphs(of),
        }
        return {name: settings[name]() for name in find_plot(plot).settings}
