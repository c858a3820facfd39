"""Training of a network: seeded, resumable to the bit, logged."""

import platform
import sys
import time
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from superres.code_version import code_commit
from superres.device.base.errors import UserError
from superres.device.machine.facts import keep_freed_memory
from superres.models.networks import Network, build_network
from superres.models.operations import rgb_to_luma
from superres.models.settings import NetworkSettings, TrainingSettings
from superres.models.training.batches import Pairs, check_patches, draw_batch, open_pairs
from superres.models.training.checkpoint import (
    BROKEN,
    load_checkpoint,
    save_checkpoint,
    training_identity,
    unreadable,
)
from superres.models.training.collapsible import collapse, use_training_form
from superres.models.training.noisy import magnitudes, set_magnitudes, set_noise
from superres.models.training.optimizer import MatrixSoap
from superres.models.training.record import LogRow, TrainingRecord, notes, write_log, write_record
from superres.models.training.teacher import Teaching
from superres.models.training.validation import silent_channels, validate, validate_bicubic
from superres.models.weights import save_weights


def train_model(
    model: str,
    settings: TrainingSettings,
    network: NetworkSettings | None = None,
    *,
    teacher: Teaching | None = None,
    training: Path,
    validation: Path,
    weights_out: Path,
    record_out: Path,
    log_out: Path,
    checkpoint: Path,
) -> None:
    """Train a model and write its weights (safetensors), record (JSON) and log (CSV).

    `training` and `validation` are indices (`{clip}.json`) of frame files; LR is that of the network's scale.
    An interrupted training resumes from `checkpoint`, next to its unfinished log; both are deleted at the
    end. With one thread it gives the same bits as without the interruption (see `TrainingSettings`). Networks
    for luma train on luma, the others on RGB. The weights are the average over the steps, of plain kernels.
    `network` has the architecture of a model that isn't built in; a `teacher` gives its share of the loss.
    Raises UserError for an unknown model, sets or a teacher that don't fit, a checkpoint of another training,
    and a training that diverges.
    """
    unfinished_log = checkpoint.with_suffix(".csv")
    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    scale = build_network(model, network).trunk.architecture.scale
    drawn, validated = open_pairs(training, scale), open_pairs(validation, scale)
    trainer = Trainer(model, settings, drawn, validated, network, teacher=teacher)
    identity = training_identity(model, trainer.architecture, settings, drawn.indices, validated.indices)
    if teacher is not None:
        identity |= teacher.identity
    if checkpoint.is_file():
        trainer.resume(checkpoint, identity)
    with tqdm(
        total=settings.steps,
        initial=trainer.step,
        desc=f"train {model}",
        unit="step",
        file=sys.stderr,
        mininterval=1,
    ) as bar:
        while trainer.step < settings.steps:
            trainer.advance()
            bar.update()
            if trainer.due(settings.log_every) or trainer.due(settings.validate_every):
                bar.set_postfix_str(describe(trainer.log(), trainer.rows))
                write_log(trainer.rows, unfinished_log)
            if trainer.due(settings.checkpoint_every):
                save_checkpoint(trainer.state(), identity, checkpoint)
    record = trainer.record()
    save_weights(trainer.network_to_keep, weights_out)
    write_log(trainer.rows, log_out)
    write_record(record, record_out)
    for note in notes(record):
        print(note, file=sys.stderr)
    checkpoint.unlink(missing_ok=True)
    unfinished_log.unlink(missing_ok=True)


def describe(row: LogRow, rows: list[LogRow]) -> str:
    """Return the newest row and the last validation of a log, for the progress bar."""
    scores = [r.validation_psnr_y_db for r in rows if r.validation_psnr_y_db is not None]
    return f"{row.objective} {row.loss:.2e}" + (f", validation {scores[-1]:.2f} dB" if scores else "")


def moving_average(decay: float, average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """Return the next exponential moving average of a weight after `count` values.

    The decay is min(decay, (1 + count) / (10 + count)): the random weights of the start are soon forgotten
    (as in TensorFlow's ExponentialMovingAverage, `num_updates`).
    """
    return torch.lerp(average, current, 1 - min(decay, (1 + int(count)) / (10 + int(count))))


class Trainer:
    """A network, its optimizer and its averaged twin, trained one step at a time.

    `plain` is the network with plain kernels: itself, or a twin if it has a training form
    (`superres.models.training.collapsible`).
    """

    def __init__(
        self,
        model: str,
        settings: TrainingSettings,
        training: Pairs,
        validation: Pairs,
        network: NetworkSettings | None = None,
        *,
        teacher: Teaching | None = None,
    ):
        check_patches(training, settings.patches)
        torch.manual_seed(settings.seed)
        self.model, self.settings = model, settings
        self.training, self.validation = training, validation
        self.network = self.plain = build_network(model, network)
        self.architecture = self.network.trunk.architecture.model_dump()
        twin = deepcopy(self.network)
        if use_training_form(self.network, settings.expansion):
            self.plain = twin
        for one in (self.network, self.plain):
            one.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        set_noise(self.network, settings.int8_noise, settings.seed)
        self.optimizer = MatrixSoap(
            self.network.parameters(), settings.learning_rate, settings.precondition_every
        )
        self.average = AveragedModel(self.plain, avg_fn=partial(moving_average, settings.ema_decay))
        if (teacher and teacher.keys) != settings.teacher:
            raise ValueError(f"expected the teacher {settings.teacher}, found {teacher}")
        self.teacher = None if teacher is None else teacher.open(self.network)
        self.teacher_share = 0.0 if teacher is None else teacher.keys.share
        self.commit = code_commit()
        self.step = 0
        self.rows: list[LogRow] = []
        self._losses: list[float] = []
        self._seconds_before = 0.0
        self._started = time.monotonic()

    def advance(self) -> None:
        """Take one step. Raises UserError if the training diverges."""
        settings = self.settings
        self.step += 1
        self.optimizer.set_learning_rate(settings.learning_rate_at(self.step))
        # The noise, as the batch, depends on seed and step alone.
        torch.manual_seed(settings.seed << 32 | self.step)
        low, high = self._draw()
        objective = settings.objective_at(self.step)
        loss_of = functional.l1_loss if objective == "l1" else functional.mse_loss
        with parametrize.cached():
            image = self.network.trunk(low)
        loss = loss_of(image, high)
        if self.teacher is not None:
            with torch.no_grad():
                taught = self.teacher.trunk(low)
            loss = torch.lerp(loss, loss_of(image, taught), self.teacher_share)
        self.optimizer.zero_grad()
        loss.backward()
        self._losses.append(loss.item())
        try:
            self.optimizer.step()
        except torch.linalg.LinAlgError as error:  # pyright: ignore[reportPrivateImportUsage]
            raise self._diverged() from error
        if self.plain is not self.network:
            collapse(self.network, self.plain)
        self.average.update_parameters(self.plain)
        finite = np.isfinite(self._losses[-1]) and all(p.isfinite().all() for p in self.network.parameters())
        if not finite:
            raise self._diverged()

    def _diverged(self) -> UserError:
        return UserError(
            f"training of {self.model}: step {self.step}: expected a loss that falls, and finite weights, "
            f"found a loss of {self._losses[-1]:.3g}; the last checkpoint is kept; lower learning_rate or "
            "int8_noise"
        )

    def due(self, every: int) -> bool:
        """Return whether something is due that happens every so many steps and after the last."""
        return self.step % every == 0 or self.step == self.settings.steps

    def log(self) -> LogRow:
        """Add a row to the log, with a validation if one is due."""
        psnr = (
            validate(self.network_to_keep, self.validation)
            if self.due(self.settings.validate_every)
            else None
        )
        objective = self.settings.objective_at(self.step)
        rate = self.settings.learning_rate_at(self.step)
        self.rows.append(LogRow(self.step, rate, float(np.mean(self._losses)), psnr, objective))
        self._losses.clear()
        return self.rows[-1]

    @property
    def network_to_keep(self) -> Network:
        """The network with averaged weights."""
        return self.average.module  # pyright: ignore[reportReturnType]

    def state(self) -> dict[str, Any]:
        """Return the state for `restore`: tensors and plain values only."""
        return {
            "step": self.step,
            "seconds": self._seconds(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rows": [asdict(row) for row in self.rows],
            "losses": self._losses,
            "magnitudes": magnitudes(self.network),
        }

    def resume(self, checkpoint: Path, identity: dict[str, str]) -> None:
        """Go on from a checkpoint. Raises UserError if it isn't of this training, or of another version."""
        state = load_checkpoint(checkpoint, identity)
        try:
            self.restore(state)
        except BROKEN as error:
            raise unreadable(checkpoint, error) from error

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a saved state."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self._losses = state["step"], state["losses"]
        set_magnitudes(self.network, state["magnitudes"])
        self.rows = [LogRow(**row) for row in state["rows"]]
        self._seconds_before, self._started = state["seconds"], time.monotonic()

    def record(self) -> TrainingRecord:
        """Return the record of the finished training."""
        data = {"training": describe_pairs(self.training), "validation": describe_pairs(self.validation)}
        return TrainingRecord(
            model=self.model,
            data=data,
            seed=self.settings.seed,
            steps=self.step,
            settings=self.settings.model_dump(),
            commit=self.commit,
            validation_psnr_y_db=validate(self.network_to_keep, self.validation),
            bicubic_psnr_y_db=validate_bicubic(self.validation),
            seconds=round(self._seconds(), 3),
            versions=versions(),
            architecture=self.architecture,
            channels=[layer.out_channels for layer in self.plain.trunk.convolutions[:-1]],
            silent_channels=silent_channels(self.network_to_keep, self.validation),
        )

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _draw(self) -> tuple[Tensor, Tensor]:
        settings = self.settings
        pair = draw_batch(self.training, settings.seed, self.step, settings.batch, settings.patches)
        low, high = (torch.from_numpy(patches).permute(0, 3, 1, 2).float().div(255) for patches in pair)
        if self.network.trained_on == "luma":
            low, high = rgb_to_luma(low), rgb_to_luma(high)
        layout = torch.channels_last
        return low.contiguous(memory_format=layout), high.contiguous(memory_format=layout)


def describe_pairs(pairs: Pairs) -> dict[str, Any]:
    """Return the entry of a set of images in the record: name, number and names."""
    return {"name": pairs.name, "images": len(pairs), "names": list(pairs.names)}


def versions() -> dict[str, str]:
    """Return the versions that the weights' bits depend on."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
