"""Fine-tuning with the rounding of INT8 in the network: quantisation-aware training, by distillation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from superres.device.base.conventions import UINT8_MAX
from superres.device.base.errors import UserError
from superres.device.base.progress import Progress
from superres.device.machine.facts import keep_freed_memory
from superres.models.settings import TrainingSettings
from superres.models.training.batches import orient
from superres.quantization.ranges.calibration import FrameFile, open_images
from superres.quantization.settings import Qat
from superres.quantization.state import State, StepJob
from superres.quantization.trainable import TrainableChain

_JUDGED = 64
"""Number of patches for the error before and after; no step of a training draws them."""


def apply(state: State, job: StepJob) -> State:
    """Train weights, biases and ranges of the quantised convolutions to give their float results.

    The objective is the mean squared difference between the last convolution's results in INT8 and in float,
    on random patches of the calibration's photographs. The same linear map follows in both, so this is the
    error of the unclipped frame. HR twins aren't used, and the float network doesn't change: only the loss of
    quantisation shrinks. Always on one thread: the same inputs give the same bytes. Raises UserError for a
    calibration without photographs or with one smaller than a patch, for convolutions that don't follow each
    other, and for a training that diverges.
    """
    settings: Qat = job.settings
    photographs = _photographs(job, settings.patch)
    keep_freed_memory()
    with _one_thread():
        training = _Training(TrainableChain(state), photographs, settings, job.model)
        before = training.error()
        training.run()
        after = training.error()
        trained = training.chain.export()
    return replace(trained, facts={"squared_error": {"before": before, "after": after}})


def _photographs(job: StepJob, patch: int) -> Sequence[np.ndarray]:
    data = job.images("qat")
    if not isinstance(data, FrameFile):
        raise UserError(
            f"step qat: expected a calibration on photographs, found {job.calibration.name}, whose images "
            "are random"
        )
    photographs = open_images(data)
    for index, photograph in enumerate(photographs):
        height, width = photograph.shape[:2]
        if min(height, width) < patch:
            raise UserError(
                f"{data.path}: image {index}: expected at least {patch}x{patch} pixels (steps: qat: patch), "
                f"found {height}x{width}; make the patch smaller or leave the image out"
            )
    return photographs


@dataclass(frozen=True)
class _Training:
    """A chain that is trained towards the float network."""

    chain: TrainableChain
    photographs: Sequence[np.ndarray]
    settings: Qat
    model: str

    def run(self) -> None:
        """Train the chain's parameters by Adam for `settings.steps` steps."""
        settings = self.settings
        parameters = [(name, p) for name, p in self.chain.named_parameters() if p.requires_grad]
        groups = [
            ([p for name, p in parameters if name.endswith("stretch")], settings.range_learning_rate),
            ([p for name, p in parameters if not name.endswith("stretch")], settings.learning_rate),
        ]
        optimizer = torch.optim.Adam([{"params": members, "lr": rate} for members, rate in groups])
        # A share of the peaks that reaches 0 one step after the last.
        schedule = TrainingSettings(
            steps=settings.steps + 1,
            learning_rate=1.0,
            warmup_steps=settings.steps // 20,
            final_lr_fraction=0.0,
        )
        with Progress(f"qat {self.model}", total=settings.steps) as progress:
            for step in range(1, settings.steps + 1):
                for group, (_, rate) in zip(optimizer.param_groups, groups, strict=True):
                    group["lr"] = rate * schedule.learning_rate_at(step)
                loss = self._loss(step, settings.batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                progress.update()

    @torch.no_grad()
    def error(self) -> float:
        """Return the objective on patches that no step draws."""
        return float(self._loss(0, _JUDGED))

    def _loss(self, step: int, batch: int) -> Tensor:
        """Return the mean squared difference to the float result on a step's patches, in squared levels."""
        settings = self.settings
        data = self.chain.enter(_draw(self.photographs, settings.seed, step, batch, settings.patch))
        loss = functional.mse_loss(self.chain(data), self.chain.forward_float(data)) * UINT8_MAX**2
        if not loss.isfinite():
            raise UserError(
                f"step qat of {self.model}: patches {step}: expected a finite error, found {loss.item()}; "
                "lower steps.qat.learning_rate or steps.qat.range_learning_rate"
            )
        return loss


def _draw(photographs: Sequence[np.ndarray], seed: int, step: int, batch: int, patch: int) -> np.ndarray:
    """Return random patches, N x 3 x P x P, float32 in [0, 1]; they depend on the arguments alone."""
    random = np.random.default_rng([seed, step])
    patches = np.empty((batch, patch, patch, 3), np.uint8)
    for i in range(batch):
        photograph = photographs[int(random.integers(len(photographs)))]
        height, width = photograph.shape[:2]
        y, x = int(random.integers(height - patch + 1)), int(random.integers(width - patch + 1))
        patches[i] = orient(photograph[y : y + patch, x : x + patch], int(random.integers(8)))
    planes = np.ascontiguousarray(np.moveaxis(patches, 3, 1))
    return planes.astype(np.float32) / np.float32(UINT8_MAX)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Set torch to one thread: with more, the order of sums and the last bits of weights vary."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
