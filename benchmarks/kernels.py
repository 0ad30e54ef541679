"""The kernels against the libraries that do the same, and how their time grows with the area of a face."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import growth
from benchmarks.report import Row, main

CASES = ("composite", "match", "membrane", "mesh", "warp", "blur", "grain", "detail", "matte")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=CASES, action="append", help="measure only this kernel; may be repeated")
    parser.add_argument("--no-growth", action="store_true", help="leave out the growth with the area")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the growth into this file")


def measure(options: argparse.Namespace) -> Sequence[Row]:
    cases = [import_module(f"benchmarks.cases.{name}") for name in options.only or CASES]
    rows = [row for case in cases for row in case.rows()]
    if not options.no_growth:
        grown = growth.measure(entry for case in cases for entry in case.GROWTH)
        rows += growth.rows(grown)
        if options.plot:
            growth.draw(grown, options.plot)
    return rows


if __name__ == "__main__":
    main(__doc__ or "", measure, add_options)
