"""The scripts of others, with their versions, licences and hashes."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """A script in this folder: its package with version, its file there, its licence and its SHA-256."""

    file: str
    package: str
    source: str
    licence: str
    sha256: str

    @property
    def path(self) -> Path:
        """The file."""
        return Path(__file__).with_name(self.file)


PARTS = (
    Part(
        "plotly-basic.min.js",
        "plotly.js-basic-dist-min@4.1.1",
        "plotly-basic.min.js",
        "MIT",
        "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba",
    ),
    Part(
        "dataTables.min.js",
        "datatables.net@3.1.5",
        "js/dataTables.min.js",
        "MIT",
        "38017a5586acd9c6eb6bbfe8b6938e1a25bdc717c5acfcb07e0c9d663282c59d",
    ),
    Part(
        "img-comparison-slider.js",
        "img-comparison-slider@8.0.7",
        "dist/index.js",
        "MIT",
        "6e01335000bbafdd053f851db4e0025dc3e0fadd677deca51548d6fe95b42162",
    ),
)
"""In the order in which the page runs them."""
