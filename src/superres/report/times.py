"""Times of a study's files, put right by their contents: Snakemake decides by times what to make again.

Times say nothing after a copy without them, an unpacked archive, or a clock that was set back. An older file
in place of a newer one is a change that they hide.
"""

import base64
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from superres.device.base.locks import lock
from superres.report.receipts import FOLDER, Content, Receipt, Receipts, content_of

# The clocks of a file server and of this machine differ.
_SLACK_S = 60.0
# Older than any script or input.
_OLD_S = 0.0
# Snakemake's names of records are cut into folders beyond this.
_LONGEST = 180


def settle_times(study: Path, records: Path = Path(".snakemake/metadata")) -> list[str]:
    """Set times of a study's files so that what is out of date by its receipts is made again, and only that.

    `records` is Snakemake's folder of what files were made with. Without a record of these files nobody would
    see a change of the study, so that all is made again. Contents stay as they are. Returns lines to print.
    Does nothing while another call runs the study.
    """
    folder = study / FOLDER
    if not folder.is_dir() or _is_run(study):
        return []
    receipts = Receipts(study)
    if not _has_records(receipts, records):
        for name in receipts.read_all():
            _set_time(study / name, _OLD_S)
        line = f"expected Snakemake's records of {study} in {records}, found none"
        return [f"{line}: a call makes all of it again"]
    moved, early = not receipts.is_here(), _later_than(study, time.time() + _SLACK_S)
    if not moved and not early:
        for name, receipt in receipts.read_some(lambda name: not name.startswith("arms/")):
            if _reads_other(study / name, receipt, hidden=True):
                _set_time(study / name, _OLD_S)
        return []
    known, now = receipts.read_all(), time.time()
    for path in early:
        # Receipts, logs and archives too, or the next call would find them again.
        _set_time(path, now)
    for name, receipt in known.items():
        stale = _is_made_of_other(receipt, known) or _reads_other(study / name, receipt)
        _set_time(study / name, _OLD_S if stale else now)
    receipts.remember_place()
    if not early:
        return []
    ahead = (max(early.values()) - now) / 3600
    return [f"files of {study} are {ahead:.1f} h ahead of the clock, which was set back: they get its time"]


def _is_run(study: Path) -> bool:
    try:
        with (study / ".lock").open("r", encoding="utf-8") as file:
            lock(file)
    except BlockingIOError:
        return True
    except OSError:
        # No call has made one, or nobody may read it.
        return False
    return False


def _has_records(receipts: Receipts, records: Path) -> bool:
    """Return whether Snakemake knows what one of the first files was made with; True if there is no file."""
    if not records.is_dir() and any(records.parent.glob(f"{records.name}*")):
        # In a database.
        return True
    unknown = False
    for name in receipts.names():
        path = receipts.study / name
        record = base64.b64encode(path.as_posix().encode(), altchars=b"_-").decode()
        if len(record) < _LONGEST and path.is_file():
            if (records / record).exists():
                # One is enough: a study of thousands of arms has ten thousands.
                return True
            unknown = True
    return not unknown


def _later_than(study: Path, seconds: float) -> dict[Path, float]:
    """Return the files of a study's folder that were changed after a time, with their times."""
    changed = ((entry, entry.stat(follow_symlinks=False).st_mtime) for entry in _files(str(study)))
    return {Path(entry.path): when for entry, when in changed if when > seconds}


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry


def _is_made_of_other(receipt: Receipt, known: Mapping[str, Receipt]) -> bool:
    """Return whether an input in the study's folder was made anew since."""
    return any(name in known and known[name].sha256 != digest for name, digest in receipt.made_of.items())


def _reads_other(path: Path, receipt: Receipt, *, hidden: bool = False) -> bool:
    """Return whether an input from elsewhere was changed since; only one that times hide, if `hidden`."""
    if not receipt.read or not path.is_file():
        return False
    made = path.stat().st_mtime
    for source, content in receipt.read.items():
        file = Path(source)
        if file.is_file() and not (hidden and file.stat().st_mtime > made) and _differs(file, content):
            return True
    return False


def _differs(file: Path, content: Content) -> bool:
    status = file.stat()
    if status.st_size == content.bytes and status.st_mtime_ns == content.changed_ns:
        return False
    found = content_of(file)
    if content.sha256 is None or found.sha256 is None:
        # Too large to be read for this. Receipts had no times of such files once.
        return found.bytes != content.bytes or content.changed_ns != 0
    return found.sha256 != content.sha256


def _set_time(path: Path, seconds: float) -> None:
    try:
        os.utime(path, (seconds, seconds))
    except OSError:
        return
