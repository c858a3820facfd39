"""A page's HTML: the template with its style, its scripts and its data, all in one file."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from superres.report.page.data import Column, PageData, Value
from superres.report.page.vendor.parts import PARTS

_TEMPLATE, _STYLE, _SCRIPT, _THEME = "page.html", "page.css", "page.js", "theme.js"


def render(data: PageData) -> str:
    """Return the page. All text of the study is escaped; the page's policy lets no request leave it."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    scripts = [_script(part.path.read_text(encoding="utf-8")) for part in PARTS]
    return environment.from_string(_beside(_TEMPLATE)).render(
        page=data,
        style=Markup(_beside(_STYLE)),
        theme=_script(_beside(_THEME)),
        scripts=[*scripts, _script(_beside(_SCRIPT))],
        data=_json(data),
        targets=[(name, name) for name in dict.fromkeys(row["target"] for row in data.rows)],
        clips=[(name, name) for name in dict.fromkeys(row["clip"] for row in data.rows)],
        axes=[(axis.key, axis.title) for axis in data.axes],
        heights=[(axis.key, axis.title) for axis in data.heights],
        picture_clips=[(number, pictures.clip) for number, pictures in enumerate(data.pictures)],
        filters=_filters(data),
        intervals=[place for place, column in enumerate(data.columns, 1) if column.kind == "interval"],
    )


def _filters(data: PageData) -> list[tuple[Column, list[Value]]]:
    """Return the columns that can be filtered by, with their values."""
    names = [column for column in data.columns if column.kind == "name"]
    found = [(column, [*dict.fromkeys(row[column.key] for row in data.rows)]) for column in names]
    return [(column, values) for column, values in found if len(values) > 1]


def _json(data: PageData) -> Markup:
    # Inside a script element only `<` could end it.
    return Markup(data.model_dump_json().replace("<", "\\u003c"))


def _script(text: str) -> Markup:
    return Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


@cache
def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
