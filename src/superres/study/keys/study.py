"""A study: all its keys, and what follows from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from superres.data.sources.source import Download, PackageFile
from superres.device.runtimes import about
from superres.keys import ByName, Keys, Maybe, Named, SomeOnce
from superres.study.arms import Arm
from superres.study.keys.arms import Latency, Noise, Profile, Quality, Roofline, Runtime
from superres.study.keys.data import CalibrationSet, Clip, File, Package, TrainingSet
from superres.study.keys.models import BASELINE, Model, Training
from superres.study.keys.quantization import (
    Calibration,
    NamedRecipe,
    Quantization,
    Sensitivity,
    Steps,
    Sweep,
)
from superres.study.keys.report import Samples, Table, Upscale
from superres.targets.settings import Device, Local, Target, TargetEntry
