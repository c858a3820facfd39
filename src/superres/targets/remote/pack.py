"""The worker as one file: what `superres.device` consists of, in a zip archive that Python runs."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from superres import device

_MAIN = "import sys\nfrom superres.device.agent.commands import main\nsys.exit(main(sys.argv[1:]))\n"
# The earliest time that an archive can hold: the same sources give the same bytes, whenever they are packed.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Worker:
    """The archive's bytes, and their SHA-256."""

    content: bytes
    sha256: str


@cache
def pack_worker() -> Worker:
    """Pack the worker; the same sources give the same bytes on every machine."""
    package = Path(device.__path__[0])
    root = package.parents[1]
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in package.rglob("*.py")}
    # The package around it stays here: of that, the device needs the name alone.
    files |= {"superres/__init__.py": b"", "__main__.py": _MAIN.encode("utf-8")}
    archive = io.BytesIO()
    # Not compressed, for not every zlib gives the same bytes.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name in sorted(files):
            file.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    content = archive.getvalue()
    return Worker(content, hashlib.sha256(content).hexdigest())
