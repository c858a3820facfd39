"""Before Snakemake reads a study: put the user's environment in order, and check studies as texts.

The profile calls `prepare_run`; `rules/common.smk` calls `settle_environment` again, for another profile, and
`read_study`.
"""

import argparse
import locale
import os
import shlex
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from superres.device.base.errors import UserError
from superres.study.check.files import check_study
from superres.study.check.left_out import leave_out_missing
from superres.study.keys.study import Study
from superres.study.load import load_study
from superres.study.runs.texts import check_study_text

# What would change figures, plots or a job's end, and has no place in any record.
_TAKEN_AWAY = (
    "MPLBACKEND",
    "MATPLOTLIBRC",
    "PYTHONIOENCODING",
    "PYTHONOPTIMIZE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "OPENCV_FFMPEG_CAPTURE_OPTIONS",
    # Kernels for other processors than this one, whose sums differ.
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS", "DNNL_CPU_ISA_HINTS"),
    *("ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "OPENBLAS_CORETYPE"),
    *("OPENCV_CPU_DISABLE", "OPENCV_IPP", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"),
    # Programs of PyTorch, and debugging of Python: no program, another speed, a prompt after each job.
    *(
        "PYTORCH_JIT",
        "PYTHONINSPECT",
        "PYTHONDEVMODE",
        "PYTHONMALLOC",
        "PYTHONTRACEMALLOC",
        "PYTHONPROFILEIMPORTTIME",
    ),
    "POLARS_MAX_THREADS",
)
_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def prepare_run(arguments: Sequence[str], root: Path) -> None:
    """Settle the environment and check the studies of a call of Snakemake; end with one line for a mistake.

    `arguments` are those of the call, `root` is the folder of the Snakefile.
    """
    from superres.study.runs.display import register

    settle_environment(os.environ)
    register()
    if locale.getencoding().lower() not in ("utf-8", "utf8") and not sys.flags.utf8_mode:
        # Snakemake's log can't hold every name otherwise. Python chooses its encoding when it starts.
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    quote_python()
    with study_error():
        named, entries = _named_keys(arguments)
        for entry in entries:
            if "=" not in entry:
                raise UserError(
                    f"--config: expected NAME=VALUE, found {entry!r}; name targets before --config"
                )
        for study in (root / "config.yaml", *map(Path, named)):
            check_study_text(study)


def quote_python() -> None:
    """Let jobs find a Python whose path has blanks: Snakemake writes it into their commands as it stands."""
    if Path(sys.executable).is_file():
        sys.executable = shlex.quote(sys.executable)


class UnknownNameError(UserError):
    """A name in the path of a file that the study lacks."""


@contextmanager
def study_error(unknown: Callable[[], Sequence[str]] = list) -> Iterator[None]:
    """End the process with one line for a UserError, instead of Snakemake's report of an exception.

    `unknown` are the lines that the end of the process has for targets that the study doesn't make. They say
    more than that a name is unknown.
    """
    try:
        yield
    except UnknownNameError as error:
        sys.exit(1 if unknown() else f"study error: {error}")
    except UserError as error:
        sys.exit(f"study error: {error}")


def named(method: Callable[..., Any], *arguments: object) -> Any:
    """Return what a method gives for names of a file's path; raise UnknownNameError for one that it lacks."""
    try:
        return method(*arguments)
    except KeyError as error:
        if not any(str(error.args[0]) in str(argument) for argument in arguments):
            raise
        raise UnknownNameError(
            f"expected names that this study has in the path of a file, found {error.args[0]!r}"
        ) from error


def settle_environment(environ: MutableMapping[str, str]) -> None:
    """Take away variables of the user's that no job may depend on; give caches a folder that can be written.

    Jobs inherit the environment. Text is UTF-8 for all of them, whatever the locale.
    """
    for name in _TAKEN_AWAY:
        environ.pop(name, None)
    environ["PYTHONUTF8"] = "1"
    if environ.pop("PYTHONWARNINGS", None) is not None:
        # Python's own filters, in this process too: an error instead of a warning ends other people's code.
        warnings.resetwarnings()
        for category in _QUIET:
            warnings.simplefilter("ignore", category)
    if not _can_write_below(environ.get("XDG_CACHE_HOME") or "~/.cache"):
        # No home folder, or a read-only one. Others' settings, such as pip's, stay where they are.
        home = str(Path(".snakemake/home").absolute())
        environ.setdefault("HOME", home)
        environ.update(XDG_CACHE_HOME=home, MPLCONFIGDIR=home)


def _can_write_below(place: str) -> bool:
    try:
        folder = Path(place).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except (OSError, RuntimeError):
        # RuntimeError: the system knows no home of this user.
        return False


def _named_keys(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the studies that a call of Snakemake names, and its single keys."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="*", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    found = parser.parse_known_args(list(arguments))[0]
    return found.configfile, found.config


def read_study(
    config: Mapping[str, Any],
    files: Sequence[Path],
    *,
    typed: Mapping[str, Any],
    root: Path,
    own_environments: bool,
) -> Study:
    """Return the checked study of a configuration that was merged from some study files and `typed` keys.

    `typed` are the keys from the command line. `root` is the folder of the Snakefile. Jobs that have
    environments of their own need no tool that isn't installed here. Raises UserError for the first mistake.
    """
    _check_folder(Path.cwd())
    _check_folder(root)
    if "{" in str(root) or "}" in str(root):
        # Snakemake takes them for wildcards in the path of a script.
        raise UserError(
            f"{root}: expected a folder of the Snakefile without {{ and }} in its path, found some; "
            "rename it, or make a link LINK to it and run `snakemake -s LINK/Snakefile`"
        )
    for file in files:
        check_study_text(file)
    folders = [file.parent for file in reversed(files)]
    loaded = load_study(config, os.environ.get("SUPERRES_DATA"), folders=folders, typed=typed)
    study = leave_out_missing(loaded, own_environments=own_environments)
    check_study(study)
    return study


def _check_folder(folder: Path) -> None:
    """Raise UserError for a path that torch and others can't write down."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{os.fsencode(folder)!r}: expected a folder whose path is UTF-8, found other bytes; rename it"
        ) from error
