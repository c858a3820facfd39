"""Repair a study: remove what `verify` finds damaged and what was made of it, so that it is made again."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from superres.device.base.words import counted
from superres.report.receipts import Receipts, download_receipt, with_dependents
from superres.report.verify import Wanted, inspect_study


def remove_damage(wanted: Wanted, *, targets: Iterable[Iterable[str]], pretend: bool) -> list[str]:
    """Remove damaged files and all that was made of them; return the files to ask Snakemake for.

    Those are what the study shows of the removed, and all files of each of the `targets` that was run: its
    tables and plots, of which the first is a table. Files outside the study's folder stay, but a download
    that was changed is fetched again. With `pretend` nothing is removed. Raises UserError for a study without
    results.
    """
    receipts = Receipts(wanted.results)
    known, found = receipts.read_all(), inspect_study(wanted)
    removed = with_dependents(found.damaged, known)
    word = "would remove" if pretend else "removes"
    for name in sorted(removed):
        sys.stderr.write(f"repair {word} {wanted.results / name}\n")
        if not pretend:
            receipts.remove(name)
    for source in map(Path, found.sources):
        if download_receipt(source).is_file() and not pretend:
            # A link: the fetch looks at the file behind it again, and says what is wrong.
            source.unlink()
            download_receipt(source).unlink()
    sys.stderr.write(f"repair: {counted(len(removed), 'file')} to make again\n")
    shown = [path for path in (*wanted.shown, *wanted.arms) if wanted.name(path) in removed]
    run = [list(files) for files in targets]
    run = [files for files in run if wanted.name(files[0]) in known or Path(files[0]).is_file()]
    return [*shown, *(file for files in run for file in files)]


def repair_command(
    snakefile: str | Path, directory: str | Path | None, configfiles: Iterable[str], config: Mapping[str, Any]
) -> str:
    """Return the command that repairs a study, from how Snakemake was called.

    `snakefile` and `configfiles` are full paths. `directory`, `configfiles` and `config` are what
    --directory, --configfile and --config said. The current folder is Snakemake's.
    """
    here = Path.cwd()
    words = ["snakemake", "--cores", "4", "repair"]
    if directory is not None or Path(snakefile) != here / "Snakefile":
        words += ["--snakefile", str(snakefile)]
    if directory is not None:
        words += ["--directory", str(here)]
    paths = map(Path, configfiles)
    if files := [str(path.relative_to(here) if _short(path, here, directory) else path) for path in paths]:
        words += ["--configfile", *files]
    if config:
        texts = (value if isinstance(value, str) else json.dumps(value) for value in config.values())
        words += ["--config", *(f"{key}={text}" for key, text in zip(config, texts, strict=True))]
    return shlex.join(words)


def _short(path: Path, here: Path, directory: str | Path | None) -> bool:
    # With --directory the command is given elsewhere.
    return directory is None and path.is_relative_to(here)
