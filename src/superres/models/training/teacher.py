"""Distillation: a trained network whose images another one is trained on too."""

from dataclasses import dataclass
from pathlib import Path

import torch

from superres.device.base.errors import UserError
from superres.device.base.outputs import sha256_file
from superres.models.networks import Network, build_network
from superres.models.settings import NetworkSettings, Teacher, weights_name
from superres.models.weights import load_weights


@dataclass(frozen=True)
class Teaching:
    """A teacher: its study keys, its weights, and its architecture if it isn't built in."""

    keys: Teacher
    weights: Path
    settings: NetworkSettings | None = None

    def open(self, pupil: Network) -> Network:
        """Return the teacher's network. Raises UserError if its colours or scale aren't its pupil's."""
        name = self.keys.model
        network = load_weights(build_network(weights_name(name), self.settings), self.weights)
        if network.trained_on != pupil.trained_on:
            raise UserError(
                f"training.teacher.model: expected a teacher on {pupil.trained_on} as its pupil, "
                f"found {name} on {network.trained_on}"
            )
        scale, expected = (one.trunk.architecture.scale for one in (network, pupil))
        if scale != expected:
            raise UserError(
                f"training.teacher.model: expected a teacher at x{expected} as its pupil, found {name} at "
                f"x{scale}"
            )
        return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def identity(self) -> dict[str, str]:
        """What a checkpoint of the pupil must match."""
        return {"teacher's weights": sha256_file(self.weights)}
