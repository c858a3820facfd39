"""A worker's job, as a small JSON file that can be sent to another machine."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Tuple

from superres.device.base.errors import UserError
from superres.device.tasks import TASKS, Task, load_task


class Kind(NamedTuple):
    """A kind of setting: its description in messages, and a test of values."""

    expected: str
    fits: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


MAPPING = Kind("{} as a mapping", lambda value: isinstance(value, dict))
TEXT = Kind("text as {}", lambda value: isinstance(value, str))
NUMBER = Kind("{} as a number >= 0", _is_number)


def task_inputs(task: str) -> Tuple[str, ...]:
    """Return the names of a task's inputs, optional ones too; raises UserError for an unknown task."""
    return _names(_load(task).INPUTS)


def side_files(name: str, path: Path) -> List[Path]:
    """Return the files that are read along with an input, such as the index of a calibration's frames."""
    return [path.with_suffix(".json")] if name == "calibration" else []


@dataclass(frozen=True)
class Job:
    """One task of one arm: which files it reads, which it writes, and how.

    `inputs` and `outputs` map the names in the task's module to paths. `settings` are the task's; their
    `options` are the runtime's. `conditions` are the power mode and clocks required before and after (see
    `jetson.check_state`). `label` names the arm in messages, such as `local/openvino/espcn_rgb/fp32`.
    Raises UserError for a job that a worker could not run.
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
        task = _load(self.task)
        for name in ("runtime", "precision", "label"):
            if not isinstance(getattr(self, name), str):
                raise UserError(f"job {self.task}: expected text as {name}, found {getattr(self, name)!r}")
        if not isinstance(self.threads, int) or isinstance(self.threads, bool) or self.threads < 1:
            raise UserError(f"job {self.task}: expected 1 or more threads, found {self.threads!r}")
        takes = {"inputs": task.INPUTS, "outputs": task.OUTPUTS, "settings": task.SETTINGS}
        for group, names in takes.items():
            _check_names(f"job {self.task}: {group}", getattr(self, group), names)
        for group in (self.inputs, self.outputs):
            for name, path in group.items():
                if not isinstance(path, str) or not path:
                    raise UserError(f"job {self.task}: expected a path as {name}, found {path!r}")
        if not isinstance(self.conditions, dict) or not set(self.conditions) <= {"power_mode", "lock_clocks"}:
            raise UserError(
                f"job {self.task}: expected power_mode and lock_clocks, found {self.conditions!r}"
            )
        kinds = {name.strip("[]"): kind for name, kind in task.SETTINGS.items()}
        for name, value in self.settings.items():
            if not kinds[name].fits(value):
                expected = kinds[name].expected.format(name)
                raise UserError(f"job {self.task}: expected {expected}, found {value!r}")

    @property
    def options(self) -> Dict[str, Any]:
        """The options for the runtime."""
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


def _load(task: str) -> Task:
    if task not in TASKS:
        raise UserError(f"job: expected a task of {', '.join(TASKS)}, found {task!r}")
    return load_task(task)


def _names(bracketed: Iterable[str]) -> Tuple[str, ...]:
    return tuple(name.strip("[]") for name in bracketed)


def _check_names(where: str, found: Any, names: Iterable[str]) -> None:
    if not isinstance(found, dict):
        raise UserError(f"{where}: expected a mapping, found {found!r}")
    allowed = set(_names(names))
    needed = {name for name in names if not name.startswith("[")}
    if not needed <= set(found) <= allowed:
        raise UserError(
            f"{where}: expected {', '.join(names)}, found {', '.join(map(str, sorted(found))) or 'nothing'}"
        )
