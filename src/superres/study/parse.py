"""Turns a completed configuration into a Study, and finds what the schema can't."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from superres.data.download.addresses import without_secrets
from superres.data.sources.registry import AnySource
from superres.data.sources.source import Named, PackageFile, Source, resolve
from superres.device.base.errors import UserError
from superres.models.settings import FOLDED_FROM
from superres.quantization.tools.presets import TOOLS
from superres.study.engines import (
    OPENVINO,
    PYTORCH,
    TENSORRT,
    check_form,
    check_tensorrt,
    check_tensorrt_arms,
)
from superres.study.files import parse_files
from superres.study.forensics import parse_forensics
from superres.study.model import (
    TRAINING_ROLES,
    Arm,
    Calibration,
    CalibrationSet,
    Clip,
    Model,
    Reference,
    Study,
    TrainingSet,
)
from superres.study.quantizations import used_quantizations
from superres.study.schema import complete_study
from superres.study.sensitivity import check_measured_steps, parse_sensitivity
from superres.study.sweep import with_sweep
from superres.study.targets import parse_targets, targets_of
from superres.study.upscale import parse_upscale

# Bicubic upsampling is no network: it has no ONNX file, and only OpenCV runs it, on uint8 frames.
BASELINE, BASELINE_RUNTIME, BASELINE_PRECISION = "bicubic", "opencv", "uint8"

# What each method of calibration is told.
CALIBRATION_KEYS = {
    "minmax": ("data",),
    "entropy": ("data",),
    "percentile": ("data", "percentile"),
    "mse": ("data",),
    "fixed": ("input_range", "output_range"),
    "cache": ("path",),
    "onnxruntime": ("data", "preset"),
    "nncf": ("data", "preset", "optional"),
}


@without_secrets()
def load_study(config: Mapping[str, Any], schema_file: Path, data: str | None = None) -> Study:
    """Validate a configuration and return the study.

    `data` is the folder or address that the environment names as the first place to look for the study's files in.
    Raises UserError in one line for the first mistake: an unknown or mistyped key, a name that is given
    twice or not at all, a precision without its calibration, an arm that no runtime has.
    """
    full = with_sweep(complete_study(config, schema_file))
    packages = {p["name"]: _package(p) for p in _unique(full, "packages")}
    named = Named(
        packages, parse_files(_unique(full, "files"), {"SUPERRES_DATA": data, "mirror": full.get("mirror")})
    )
    clips = {c["name"]: _clip(c, i, named) for i, c in enumerate(_unique(full, "clips"))}
    targets = parse_targets(full)
    arms = _arms(full, "precisions", config["runtimes"])
    study = Study(
        name=full["study"],
        description=full["description"],
        packages=packages,
        files=named.files,
        clips=clips,
        left_out={},
        calibration_sets=_calibration_sets(full, named),
        calibrations=_calibrations(full, config.get("calibrations", [])),
        quantizations=used_quantizations(full),
        steps=full["steps"],
        sensitivity=parse_sensitivity(full, arms),
        forensics=parse_forensics(full, clips),
        training_sets=_training_sets(full, named),
        models=_models(full, config["models"]),
        targets=targets,
        arms=arms,
        swept=_arms(full, "swept", config["runtimes"]),
        missing={},
        quality=full["quality"],
        frames={runtime["name"]: runtime["frames"] for runtime in full["runtimes"]},
        forms={runtime["name"]: runtime["form"] for runtime in full["runtimes"]},
        form_seconds=full["forms"]["seconds"],
        upscale=parse_upscale(full, arms),
        builds={r["name"]: r["build"] for r in full["runtimes"] if r["name"] in TENSORRT},
        latency={k: v for k, v in full["latency"].items() if k not in ("reference", "noise")},
        reference=Reference(**{"model": full["models"][0]["name"], **full["latency"]["reference"]}),
        noise=full["latency"]["noise"],
        far_db=full["far_db"],
        roofline=full["roofline"],
        profile=full["profile"],
        table=full["table"],
        samples=full["samples"],
    )
    _check_references(study)
    check_tensorrt_arms(study)
    check_measured_steps(full, study.quantizations)
    return study


def _unique(config: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    seen: set[str] = set()
    for i, entry in enumerate(config[key]):
        if entry["name"] in seen:
            raise UserError(
                f"{key}[{i}].name: expected a name of its own, found {entry['name']!r} a second time"
            )
        seen.add(entry["name"])
    return config[key]


def _package(entry: Mapping[str, Any]) -> PackageFile:
    return PackageFile(entry["name"], entry.get("version"), entry.get("sha256"))


def _clip(entry: Mapping[str, Any], index: int, named: Named) -> Clip:
    source = _source(entry["source"], f"clips[{index}].source", named)
    return Clip(entry["name"], entry["description"], source, entry["downsampling"], entry["optional"])


def _calibration_sets(full: Mapping[str, Any], named: Named) -> dict[str, CalibrationSet]:
    sets = {}
    for i, entry in enumerate(_unique(full, "calibration_sets")):
        sources = _sources(entry["sources"], f"calibration_sets[{i}].sources", named)
        sets[entry["name"]] = CalibrationSet(entry["name"], entry["width"], entry["height"], sources)
    return sets


def _training_sets(full: Mapping[str, Any], named: Named) -> dict[str, TrainingSet]:
    sets = {}
    for i, entry in enumerate(_unique(full, "training_sets")):
        sources = _sources(entry["sources"], f"training_sets[{i}].sources", named)
        sets[entry["name"]] = TrainingSet(entry["name"], sources, entry["downsampling"])
    return sets


def _models(full: Mapping[str, Any], written: Sequence[Mapping[str, Any]]) -> dict[str, Model]:
    """The models; `written` are their entries as the study has them, without defaults."""
    for i, entry in enumerate(full["models"]):
        if entry["name"] != BASELINE and entry["kernel"] != "opencv":
            raise UserError(
                f"models[{i}].kernel: expected it with the model {BASELINE} only, found it with {entry['name']}"
            )
    models = {
        entry["name"]: Model(**{**entry, "training": {**full["training"], **entry.get("training", {})}})
        for entry in _unique(full, "models")
    }
    for i, entry in enumerate(written):
        origin = FOLDED_FROM.get(entry["name"])
        if origin is not None:
            if surplus := sorted(entry.keys() - {"name"}):
                raise UserError(
                    f"models[{i}].{surplus[0]}: expected no such key for {entry['name']}: it is {origin} folded, "
                    f"with the weights and settings of that; write it there"
                )
            models[entry["name"]] = replace(models.get(origin, models[entry["name"]]), name=entry["name"])
    return models


def _calibrations(full: Mapping[str, Any], written: Sequence[Mapping[str, Any]]) -> dict[str, Calibration]:
    """The calibrations; `written` are their entries as the study has them, without defaults and its sweep's."""
    calibrations = {}
    for i, entry in enumerate(_unique(full, "calibrations")):
        keys = CALIBRATION_KEYS[entry["method"]]
        given = written[i].keys() if i < len(written) else set()
        if surplus := sorted(given - {"name", "method", *keys}):
            raise UserError(
                f"calibrations[{i}].{surplus[0]}: expected no such key for the method {entry['method']}, "
                f"which has {', '.join(keys)}; take it out, or correct the method"
            )
        if missing := [key for key in keys if key not in entry]:
            raise UserError(
                f"calibrations[{i}]: expected {missing[0]} beside the method {entry['method']}, found none"
            )
        settings = {key: entry[key] for key in keys if key != "data"}
        _check_preset(settings, entry["method"], f"calibrations[{i}].preset")
        calibrations[entry["name"]] = Calibration(entry["name"], entry["method"], entry.get("data"), settings)
    return calibrations


def _check_preset(settings: Mapping[str, Any], method: str, key: str) -> None:
    """Raise UserError if a tool has no such preset."""
    if "preset" in settings and settings["preset"] not in TOOLS[method].presets:
        expected = " or ".join(TOOLS[method].presets)
        raise UserError(f"{key}: expected {expected} for {method}, found {settings['preset']}")


def _sources(entries: Sequence[Mapping[str, Any]], key: str, named: Named) -> tuple[Source, ...]:
    return tuple(_source(entry, f"{key}[{i}]", named) for i, entry in enumerate(entries))


def _source(entry: Mapping[str, Any], key: str, named: Named) -> Source:
    try:
        kind = TypeAdapter(AnySource).validate_python(entry)
    except ValidationError as error:
        raise UserError(f"{key}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error
    return resolve(kind, key, named)


def _arms(full: Mapping[str, Any], key: str, written: Sequence[Mapping[str, Any]]) -> tuple[Arm, ...]:
    """Every target with every runtime, model and precision (`key` of the runtime); bicubic with its own runtime only.

    `written` are the runtimes as the study has them, without defaults.
    """
    models = [m["name"] for m in full["models"]]
    arms = []
    for i, runtime in enumerate(_unique(full, "runtimes")):
        baseline = runtime["name"] == BASELINE_RUNTIME
        _check_runtime(runtime, models, f"runtimes[{i}]")
        check_tensorrt(runtime, written[i], f"runtimes[{i}]")
        runs = [m for m in models if (m == BASELINE) == baseline]
        arms += [
            Arm(target, runtime["name"], model, precision)
            for target, model, precision in product(targets_of(full, runtime["name"]), runs, runtime[key])
        ]
    if BASELINE in models and BASELINE_RUNTIME not in {runtime["name"] for runtime in full["runtimes"]}:
        raise UserError(
            f"models: bicubic runs in the runtime {BASELINE_RUNTIME}, which `runtimes` doesn't name: "
            f"add {{name: {BASELINE_RUNTIME}, precisions: [{BASELINE_PRECISION}]}}"
        )
    return tuple(arms)


def _check_runtime(runtime: Mapping[str, Any], models: Sequence[str], key: str) -> None:
    check_form(runtime, key)
    for precision in runtime["precisions"]:
        baseline = runtime["name"] == BASELINE_RUNTIME
        if (precision == BASELINE_PRECISION) != baseline:
            expected = BASELINE_PRECISION if baseline else f"any precision but {BASELINE_PRECISION}"
            raise UserError(f"{key}.precisions: expected {expected} for {runtime['name']}, found {precision}")
        if runtime["name"] in PYTORCH and precision.startswith("int8-"):
            raise UserError(
                f"{key}.precisions: expected fp32, fp16 or bf16 for {runtime['name']}, found {precision}: "
                "Q/DQ graphs run in onnxruntime and openvino"
            )
        if runtime["name"] in ("onnxruntime", *OPENVINO) and precision == "fp16":
            raise UserError(
                f"{key}.precisions: expected fp32, bf16 (openvino) or int8-NAME for {runtime['name']}, "
                "found fp16: it has no fp16 arithmetic on a CPU"
            )
        if runtime["name"] == "onnxruntime" and precision == "bf16":
            raise UserError(f"{key}.precisions: onnxruntime has no bf16 convolution on a CPU; take it out")
    if runtime["name"] == BASELINE_RUNTIME and runtime["frames"] != "uint8":
        raise UserError(
            f"{key}.frames: expected uint8 for {BASELINE_RUNTIME}, which knows no other, found {runtime['frames']}"
        )
    if runtime["name"] == BASELINE_RUNTIME and BASELINE not in models:
        raise UserError(
            f"{key}: {BASELINE_RUNTIME} runs the model {BASELINE} only, which `models` doesn't name"
        )


def _check_references(study: Study) -> None:
    for calibration in study.calibrations.values():
        name = calibration.calibration_set
        if name is not None and name not in study.calibration_sets:
            known = ", ".join(study.calibration_sets) or "none"
            raise UserError(
                f"calibrations: {calibration.name}: data.name: expected a name from `calibration_sets` ({known}), "
                f"found {name!r}"
            )
    for model in study.models.values():
        for key in TRAINING_ROLES if model.weights == "train" else ():
            if model.training[key] not in study.training_sets:
                known = ", ".join(study.training_sets) or "none"
                raise UserError(
                    f"training.{key}: expected a name from `training_sets` ({known}), found {model.training[key]!r}"
                )
