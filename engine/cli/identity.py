"""`faceplate identity`: asks for the consent record of a person, and says what their pictures are like."""

import sys
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.display import line
from engine.cli.options import Json
from engine.cli.session import Session, session

if TYPE_CHECKING:
    from engine.provenance.consent import Consent

# Columns of a table that goes to no terminal.
WIDE = 240
QUESTIONS = {
    "person": "Whose face is it",
    "scope": "What may it be used for",
    "granted_by": "Who gave the consent",
    "until": "Until which day (YYYY-MM-DD)",
}


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with pictures of one person.")],
    person: Annotated[str, typer.Option(help="Whose face it is.")] = "",
    scope: Annotated[str, typer.Option(help="What it may be used for.")] = "",
    granted_by: Annotated[str, typer.Option(help="Who gave the consent.")] = "",
    until: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The last day that it covers.")] = "",
    contact: Annotated[str, typer.Option(help="How to reach whoever gave it.")] = "",
    note: Annotated[str, typer.Option(help="Anything else.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a record that is there.")] = False,
) -> None:
    """Write the consent record of a person, asking for what the options leave out, and look at the pictures."""
    with session(patient=False) as current:
        from engine.errors import ConsentError, IdentityError
        from engine.events import Notice, shown
        from engine.folders import make_folder
        from engine.provenance import consent

        make_folder(folder)
        if (folder / consent.NAME).exists() and not replace:
            raise ConsentError(f"{shown(folder)} has a consent record already.", "Use --replace to write a new one.")
        given = {"person": person, "scope": scope, "granted_by": granted_by, "until": until}
        answers = {name: text or _ask(name, current) for name, text in given.items()}
        record = _record({**answers, "contact": contact, "note": note}, folder)
        line(f"{shown(consent.write_consent(folder, record))} is written.")

        from engine.swappers.references import inspect

        try:
            notices = inspect(folder)
        except IdentityError as error:
            # The record comes first for some people, the pictures for others.
            notices = [Notice(error.code, str(error))]
        for notice in notices:
            current.report(notice)


def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with pictures of one person.")],
    json: Json = False,
) -> None:
    """Show what was measured of each picture of a person, and which are used; status 1 when none can be."""
    with session(json, patient=False) as current:
        from engine.swappers.listing import HEADINGS, listed
        from engine.swappers.references import read_folder

        found = read_folder(folder)
        rows = listed(found)
        if json:
            for row in rows:
                current.report(row)
        else:
            _print_table(HEADINGS, [row.row() for row in rows])
        found.identity()


def _print_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.__stdout__, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        # In a file or a pipe every picture has one line.
        console.width = WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        outer = heading in (headings[0], headings[-1])
        table.add_column(heading, no_wrap=not outer, overflow="fold", min_width=len(heading))
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _ask(name: str, current: Session) -> str:
    """The answer to the question for an entry, asked until it is one that the record may have."""
    from engine.errors import Cancelled, UsageError

    missing = UsageError(f"`{name}` was not given.", f"Answer the question, or give --{name.replace('_', '-')}.")
    if sys.stdin is None:
        raise missing
    try:
        return typer.prompt(QUESTIONS[name], err=True, value_proc=partial(_answer, name))
    except typer.Abort as error:
        raise Cancelled("Stopped; no record was written.") if current.cancelled() else missing from error


def _answer(name: str, text: str) -> str:
    """The text, if the entry may hold it and is not over already; else an error after which typer asks again."""
    from engine.provenance.consent import day, problem

    wrong = problem(name, text)
    last = day(text) if name == "until" else None
    if last is not None and last < date.today():
        wrong = "is over already"
    if wrong:
        raise typer.BadParameter(f"`{name}` {wrong}.")
    return text


def _record(answers: dict[str, str], folder: Path) -> "Consent":
    from engine.errors import UsageError
    from engine.provenance.consent import parse_consent

    record = parse_consent({name: text for name, text in answers.items() if text}, folder)
    if record.until < date.today():
        raise UsageError(f"{record.until.isoformat()} is over already.", "Give a day that is still to come.")
    return record
