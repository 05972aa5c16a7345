"""Writes every `NAME.fixtures.jsonl` anew.

    python -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python fixtures.py [NAME ...]

Requests are signed (or judged, where it can only judge) by the SDK named in `made_by`; the events a request
must yield, and what a channel must send, are written down here from the platforms' documentation. The same
versions of the SDKs write the same bytes.
"""

import os
import sys
from pathlib import Path

import cases_asia
import cases_native
import cases_west

ROOT = Path(__file__).resolve().parent.parent


def main(wanted):
    for make in cases_asia.BOOKS + cases_west.BOOKS + cases_native.BOOKS:
        book = make()
        if not wanted or book.name in wanted:
            path = book.write(ROOT)
            print(f"{os.path.relpath(path, ROOT)}: {len(book.lines)} fixtures")


if __name__ == "__main__":
    main(sys.argv[1:])
