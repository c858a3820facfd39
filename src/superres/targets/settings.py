"""The machines that run arms, as a study names them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Local:
    """This machine."""

    name: str = "local"


@dataclass(frozen=True)
class Device:
    """A machine reached over SSH.

    `ssh` is what one would type behind `ssh`; `ssh_config` a file to use instead of the user's own (empty:
    the user's). `workdir` is the folder on it that everything lies in, of which the store of inputs takes
    `store_limit_gb`. A job is stopped after `timeout_minutes`. `power_mode` and `lock_clocks` are what its
    figures are to be measured under; `threads` is how many a runtime gets, None for one a processor.

    How it is reached takes no part in `repr`, by which
    Snakemake compares parameters: a new address reruns nothing.
    """

    name: str
    ssh: str = field(repr=False)
    python: str = "python3"
    workdir: str = field(default="superres-work", repr=False)
    power_mode: int | None = None
    lock_clocks: bool = False
    threads: int | None = None
    store_limit_gb: float = field(default=20.0, repr=False)
    timeout_minutes: float = field(default=120.0, repr=False)
    ssh_config: str = field(default="", repr=False)

    @property
    def conditions(self) -> dict[str, int | bool]:
        """What a job checks before and after it measures."""
        wanted: dict[str, int | bool] = {}
        if self.power_mode is not None:
            wanted["power_mode"] = self.power_mode
        if self.lock_clocks:
            wanted["lock_clocks"] = True
        return wanted


Target = Local | Device
