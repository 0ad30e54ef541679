"""The table that every benchmark prints, its JSON, and its exit status."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One comparison. peer_ms and our_ms are medians in milliseconds; the ratio is ours over the peer's.

    A row without a target is there to be read.
    """

    what: str
    peer: str
    peer_ms: float
    our_ms: float
    target: float | None

    @property
    def ratio(self) -> float:
        return self.our_ms / self.peer_ms

    @property
    def met(self) -> bool:
        return self.target is None or self.ratio <= self.target


def main(
    description: str,
    measure: Callable[[argparse.Namespace], Sequence[Row]],
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> None:
    """Parse --json and --check, measure, print; with --check end with status 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--check", action="store_true", help="end with status 1 when a target is missed")
    add_options(parser)
    arguments = parser.parse_args()
    rows = measure(arguments)
    if arguments.json:
        print(json.dumps([row._asdict() | {"ratio": row.ratio, "met": row.met} for row in rows]))
    else:
        _print_table(rows)
    if arguments.check and not all(row.met for row in rows):
        sys.exit(1)


def _print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "peer", "peer ms", "ours ms", "ratio", "target")
    for row in rows:
        verdict = f"{row.ratio:.3g}" if row.met else f"{row.ratio:.3g} (missed)"
        target = "" if row.target is None else f"≤ {row.target:.3g}"
        table.add_row(row.what, row.peer, f"{row.peer_ms:.1f}", f"{row.our_ms:.1f}", verdict, target)
    Console(width=140).print(table)
