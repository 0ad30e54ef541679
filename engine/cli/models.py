"""`faceplate models`: the networks that come with Faceplate, those that a person brought, and those that one could."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.display import json_line, line
from engine.cli.options import Json
from engine.cli.session import FAILED, session

if TYPE_CHECKING:
    from engine.models.library import Details, Entry

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name; `faceplate models list` shows them.")]
AcceptLicence = Annotated[
    bool,
    typer.Option(
        "--accept-licence", help="You have read the licence and may use the model; who and when is kept beside it."
    ),
]


def list_models(json: Json = False) -> None:
    """List the models: bundled, installed, and known but absent, each with its licence and commercial use."""
    with session(json, patient=False):
        import msgspec

        from engine.models.library import entries

        found = entries()
        if json:
            for entry in found:
                json_line(msgspec.json.encode(entry))
        else:
            _print_table(found)


def show(name: Name, json: Json = False) -> None:
    """Show everything about a model: what it takes, where it is from, its licence, and whose consent it needs."""
    with session(json, patient=False):
        import msgspec

        from engine.models.library import details

        found = details(name)
        if json:
            json_line(msgspec.json.encode(found))
        else:
            _print_details(found)


def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file, or a DFM of DeepFaceLab.")],
    name: Annotated[
        str, typer.Option("--as", metavar="NAME", help="The known model that it is, or a name for one of your own.")
    ] = "",
    accept_licence: AcceptLicence = False,
) -> None:
    """Check a model file, try it on a face, and copy it into the models' folder.

    A known file is recognised by its content; any other needs its manifest beside it, FILE with .toml, unless it is a
    DFM. A model that is not cleared for commercial use needs --accept-licence.
    """
    with session(patient=False):
        from engine.events import shown
        from engine.models.library import add as add_model

        entry = add_model(file, name, accept_licence)
        line(f"{shown(file)} is installed as {entry.name}: {entry.family}, {entry.licence}.")


def get(name: Name, accept_licence: AcceptLicence = False, json: Json = False) -> None:
    """Download a known model from its publisher, check it, and install it; goes on where it was cut off."""
    with session(json, patient=False):
        from engine.models.library import get as get_model

        with _bar(name, json) as progress:
            entry = get_model(name, accept_licence, progress)
        if json:
            import msgspec

            json_line(msgspec.json.encode(entry))
        else:
            line(f"{entry.name} is installed: {entry.family}, {entry.licence}.")


def check(json: Json = False) -> None:
    """Compare every model file, bundled and installed, with its SHA-256; status 1 when one has changed."""
    faults = 0
    with session(json, patient=False):
        import msgspec

        from engine.models.library import verify

        for found in verify():
            faults += not found.good
            if json:
                json_line(msgspec.json.encode(found))
            else:
                line(f"{'good' if found.good else 'fault':<6}{found.name}: {found.message} {found.remedy}".rstrip())
    if faults:
        raise typer.Exit(FAILED)


def remove(name: Name) -> None:
    """Remove an installed model, and what was accepted for it."""
    with session(patient=False):
        from engine.events import shown
        from engine.models.library import remove as remove_model

        for path in remove_model(name):
            line(f"{shown(path)} is removed.")


def _print_table(found: "list[Entry]") -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "", "family", "licence", "commercial use"):
        table.add_column(heading, no_wrap=heading != "licence")
    for entry in found:
        table.add_row(entry.name, entry.state, entry.family, entry.licence, entry.commercial)
    _console().print(table)


def _print_details(found: "Details") -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in found.rows():
        table.add_row(name, value)
    _console().print(table)


def _console() -> Any:
    from rich.console import Console

    return Console(file=sys.__stdout__, highlight=False, markup=False, emoji=False)


@contextmanager
def _bar(name: str, json: bool) -> Iterator[Any]:
    """A bar of the bytes on a terminal's standard error; a line of JSON for each per cent with --json."""
    import msgspec
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from engine.models.library import Fetched

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    last = -1

    def tell(done: int, whole: int) -> None:
        nonlocal last
        percent = 100 * done // whole if whole else -1
        if percent != last:
            last = percent
            json_line(msgspec.json.encode(Fetched(name, done, whole)))

    if json:
        yield tell
        return
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal, redirect_stdout=False
    ) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole or None)
