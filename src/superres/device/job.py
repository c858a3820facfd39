"""A job: what a worker is asked to do, as a small JSON file that can travel to another machine."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, List, Tuple

from superres.device.base.errors import UserError

# Inputs, outputs and settings of each task; one in brackets may be missing.
TASKS: Dict[str, Dict[str, Tuple[str, ...]]] = {
    "build_engine": {
        "inputs": ("[model]", "[calibration]"),
        "outputs": ("engine", "record"),
        "settings": ("[options]", "[sizes]", "[calibration]", "[form]"),
    },
    "choose_form": {
        "inputs": (
            "[form_plain]",
            "[form_pixels]",
            "[form_blocks]",
            "[form_channels_last]",
            "[form_levels]",
            "lr",
            "clip",
        ),
        "outputs": ("record",),
        "settings": ("seconds", "[options]", "[sizes]"),
    },
    "measure_quality": {
        "inputs": ("engine", "engine_record", "hr", "lr", "clip"),
        "outputs": ("quality", "record", "[sample]"),
        "settings": ("luma", "border", "[sample_frame]", "[options]"),
    },
    "measure_latency": {
        "inputs": ("engine", "engine_record", "[reference_engine]", "[reference_record]", "lr", "clip"),
        "outputs": ("latency", "record"),
        "settings": (
            "warmup_seconds",
            "warmup_frames",
            "warmup_tolerance",
            "min_seconds",
            "min_iterations",
            "max_seconds",
            "block_seconds",
            "ratio_tolerance",
            "extended_seconds",
            "[reference]",
            "[options]",
        ),
    },
    "measure_roofline": {
        "inputs": (),
        "outputs": ("record",),
        "settings": ("seconds",),
    },
    "measure_profile": {
        "inputs": ("engine", "engine_record", "lr", "clip"),
        "outputs": ("profile", "record"),
        "settings": ("runs", "[options]"),
    },
}

FORM = "form_"
"""What the names of a job's inputs begin with that are forms of one graph."""


def side_files(name: str, path: Path) -> List[Path]:
    """Files beside an input that are read with it: a calibration's frames have their index."""
    return [path.with_suffix(".json")] if name == "calibration" else []


@dataclass(frozen=True)
class Job:
    """One task of one arm: which files it reads, which it writes, and how.

    `inputs` and `outputs` map the names in `TASKS` to paths. `settings` holds what the task asks for and,
    under `options`, what is handed on to the runtime. `conditions` are what power mode and clocks have to be
    before and after (see `jetson.check_state`). `label` names the arm in messages, such as
    `local/openvino/espcn_rgb/fp32`. Raises UserError for anything that a worker could not run.
    """

    task: str
    runtime: str
    precision: str
    threads: int
    inputs: Dict[str, str]
    outputs: Dict[str, str]
    settings: Dict[str, Any] = field(default_factory=dict)
    label: str = ""
    conditions: Dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UserError(f"job: expected a task of {', '.join(TASKS)}, found {self.task!r}")
        for name in ("runtime", "precision", "label"):
            if not isinstance(getattr(self, name), str):
                raise UserError(f"job {self.task}: expected text as {name}, found {getattr(self, name)!r}")
        if not isinstance(self.threads, int) or isinstance(self.threads, bool) or self.threads < 1:
            raise UserError(f"job {self.task}: expected 1 or more threads, found {self.threads!r}")
        for group, names in TASKS[self.task].items():
            _check_names(f"job {self.task}: {group}", getattr(self, group), names)
        for group in (self.inputs, self.outputs):
            for name, path in group.items():
                if not isinstance(path, str) or not path:
                    raise UserError(f"job {self.task}: expected a path as {name}, found {path!r}")
        if not isinstance(self.conditions, dict) or not set(self.conditions) <= {"power_mode", "lock_clocks"}:
            raise UserError(
                f"job {self.task}: expected power_mode and lock_clocks, found {self.conditions!r}"
            )
        self._check_settings()

    def _check_settings(self) -> None:
        for name, value in self.settings.items():
            if name in ("options", "sizes", "calibration", "reference"):
                if not isinstance(value, dict):
                    raise UserError(f"job {self.task}: expected {name} as a mapping, found {value!r}")
            elif name in ("luma", "form"):
                if not isinstance(value, str):
                    raise UserError(f"job {self.task}: expected text as {name}, found {value!r}")
            elif isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise UserError(f"job {self.task}: expected {name} as a number >= 0, found {value!r}")

    @property
    def options(self) -> Dict[str, Any]:
        """What is handed on to the runtime."""
        return dict(self.settings.get("options", {}))

    def to_json(self) -> str:
        """The job as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Read a job from JSON text; raises UserError if it isn't one."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UserError(f"job: expected JSON, found something else: {error}") from error
        if not isinstance(data, dict):
            raise UserError(f"job: expected a JSON object, found {type(data).__name__}")
        known = {item.name for item in fields(cls)}
        needed = known - {"settings", "label", "conditions"}
        if not needed <= set(data) <= known:
            raise UserError(
                f"job: expected the keys {', '.join(sorted(known))}, found {', '.join(sorted(data))}"
            )
        return cls(**data)


def _check_names(where: str, found: Any, names: Tuple[str, ...]) -> None:
    if not isinstance(found, dict):
        raise UserError(f"{where}: expected a mapping, found {found!r}")
    allowed = {name.strip("[]") for name in names}
    needed = {name for name in names if not name.startswith("[")}
    if not needed <= set(found) <= allowed:
        raise UserError(
            f"{where}: expected {', '.join(names)}, found {', '.join(map(str, sorted(found))) or 'nothing'}"
        )
