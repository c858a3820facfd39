"""SHA-256 of inputs, remembered while a file is the same:
hashing a long clip for each of its arms would take minutes.
"""

import hashlib
import json
from pathlib import Path

from superres.device.base.outputs import Outputs, sha256_file, write_json
from superres.device.machine.facts import cache_folder

_REMEMBERED_FROM = 1 << 24
"""Smaller files, in bytes, are quicker hashed than looked up."""


def hash_input(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file.

    A large file is taken to be the same as before while its place, size, inode and time of change are.
    """
    facts = path.stat()
    if facts.st_size < _REMEMBERED_FROM:
        return sha256_file(path), facts.st_size
    real = str(path.resolve())
    identity = [real, facts.st_size, facts.st_ino, facts.st_mtime_ns]
    receipt = cache_folder() / "sha256" / f"{hashlib.sha256(real.encode()).hexdigest()}.json"
    known = _read(receipt)
    if known.get("identity") == identity:
        return known["sha256"], facts.st_size
    sha256 = sha256_file(path)
    with Outputs({"receipt": str(receipt)}) as outputs:
        write_json(outputs["receipt"], {"identity": identity, "sha256": sha256})
    return sha256, facts.st_size


def _read(receipt: Path) -> dict:
    try:
        content = json.loads(receipt.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
