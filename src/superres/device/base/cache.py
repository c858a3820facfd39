"""Where this machine keeps what it need not work out again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$SUPERRES_CACHE, or `superres` in the user's cache folder."""
    given = os.environ.get("SUPERRES_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "superres"
