"""The targets of a study: the machines that run its arms."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo, model_validator
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from superres.keys import Count, Index, Keys, Maybe, SomeOnce, mistake

LOCAL = "local"

Runtimes = Maybe[SomeOnce[str]]


class Local(Keys):
    """This machine. `runtimes` are those whose arms it runs; None for all."""

    name: Literal["local"] = LOCAL
    runtimes: Runtimes = Field(default=None, repr=False)


class Device(Keys):
    """A machine reached over SSH.

    `repr`, by which Snakemake compares parameters, leaves out the connection: a new address reruns nothing.
    """

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        max_length=100,
        description="The target's name in file names and tables. local is this machine; its only other key "
        "is runtimes.",
    )
    runtimes: Runtimes = Field(
        default=None, repr=False, description="Runtimes of the study whose arms run there; all by default."
    )
    ssh: str = Field(
        default="",
        pattern=r"^[^\s-]\S*$",
        repr=False,
        description="The address, as for ssh: user@host, ssh://user@host:port, or a Host of your own "
        "ssh_config. It must work without a password, and the host's key must be known.",
    )
    ssh_config: str = Field(
        default="", repr=False, description="A file to use instead of the user's own ssh_config."
    )
    python: str = Field(
        default="python3",
        pattern=r"^[^\s-].*$",
        description="Name or path of the Python on the device that has the runtimes, 3.8 or later.",
    )
    workdir: str = Field(
        default="superres-work",
        pattern=r"^[^\s-].*$",
        repr=False,
        description="The folder on the device for all files, created if needed; relative to the user's "
        "home. Nothing is written outside it.",
    )
    power_mode: Maybe[Index] = Field(
        default=None,
        description="Number of the power mode (nvpmodel -q) that arms are measured in; an arm in another "
        "mode fails. By default any mode is accepted and recorded.",
    )
    lock_clocks: bool = Field(
        default=False,
        description="If true, arms fail unless jetson_clocks has locked the clocks of processors and GPU.",
    )
    threads: Maybe[Count] = Field(
        default=None, description="Threads of a runtime there; one for each processor by default."
    )
    store_limit_gb: float = Field(
        default=20.0,
        gt=0,
        repr=False,
        description="Most GB of frames, graphs and engines on the device; the least recently used are "
        "removed.",
    )
    timeout_minutes: float = Field(
        default=120.0,
        gt=0,
        repr=False,
        description="Minutes after which a job there is stopped. Waiting for another job doesn't count.",
    )
    reconnect_minutes: float = Field(
        default=5.0,
        ge=0,
        repr=False,
        description="Minutes that a job tries to reach a device again that it has lost. Then the job fails; "
        "it goes on there, and the next call finds it.",
    )

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        surplus = sorted(self.model_fields_set - {"name", "runtimes"})
        if self.name == LOCAL and surplus:
            text = f"expected no such key for {LOCAL}, which is this machine; give a device another name"
            raise mistake(text, surplus[0])
        if self.name != LOCAL and not self.ssh:
            raise mistake(f"expected ssh, the address of {self.name}, found none")
        return self

    @property
    def conditions(self) -> dict[str, int | bool]:
        """The conditions that a job checks before and after it measures."""
        wanted: dict[str, int | bool] = {}
        if self.power_mode is not None:
            wanted["power_mode"] = self.power_mode
        if self.lock_clocks:
            wanted["lock_clocks"] = True
        return wanted

    @staticmethod
    def target(written: "Device", _: ValidationInfo) -> "Target":
        """Return the target that an entry stands for."""
        return Local(runtimes=written.runtimes) if written.name == LOCAL else written


Target = Local | Device


class _OrWord:
    """Accepts the word `local` for the target of that name."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._entry, handler.generate_schema(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"const": LOCAL, "type": "string"}, handler(schema)]}

    @staticmethod
    def _entry(value: Any) -> Any:
        if isinstance(value, str):
            if value != LOCAL:
                raise PydanticKnownError("string_pattern_mismatch", {"pattern": f"^{LOCAL}$"})
            return {"name": LOCAL}
        if not isinstance(value, dict):
            raise mistake("expected a text or a mapping of keys, found {found}")
        return value


TargetEntry = Annotated[Device, _OrWord()]
"""A target as written in a study."""
