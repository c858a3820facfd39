"""Open the page of a study in a browser: `python -m superres.report.open PAGE`."""

import sys
import webbrowser
from pathlib import Path


def open_page(page: Path) -> int:
    """Open a page and print its address; returns the exit status, 1 if there is no page."""
    if not page.is_file():
        there = sorted(path.parents[1].name for path in Path("results").glob("*/report/index.html"))
        others = f"; there are those of {', '.join(there)}: make open STUDY={there[0]}" if there else ""
        sys.stderr.write(
            f"error: expected a page at {page}, found none; run `all` of its study first{others}\n"
        )
        return 1
    address = page.resolve().as_uri()
    print(address)
    if not webbrowser.open(address):
        sys.stderr.write("found no browser here: open this address in one\n")
    return 0


if __name__ == "__main__":
    sys.exit(open_page(Path(sys.argv[1])))
