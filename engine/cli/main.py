"""`faceplate`: the commands, and the one place where the process ends.

A command imports what it runs inside its own function, so that help and usage errors come at once.
"""

import os
import sys

import typer

from engine import __version__
from engine.cli import engine as engine_commands
from engine.cli import identity as identity_commands
from engine.cli import models as model_commands
from engine.cli.demo import demo
from engine.cli.doctor import doctor
from engine.cli.hosts import install
from engine.cli.info import info
from engine.cli.jobs import jobs
from engine.cli.render import render
from engine.cli.review import review
from engine.cli.settings import settings
from engine.cli.solve import solve
from engine.cli.swap import swap
from engine.cli.verify import verify

app = typer.Typer(
    help="Replace a face in film footage, on scene-linear EXR frames.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
identity = typer.Typer(help="The people whose faces are used.", no_args_is_help=True, rich_markup_mode=None)
engine = typer.Typer(help="The engine behind the commands.", no_args_is_help=True, rich_markup_mode=None)
hosts = typer.Typer(help="The programs that Faceplate works in.", no_args_is_help=True, rich_markup_mode=None)
models = typer.Typer(help="The networks that faces are replaced with.", no_args_is_help=True, rich_markup_mode=None)
for command in (swap, review, solve, render, verify, info, jobs, demo, doctor, settings):
    app.command()(command)
for command in (identity_commands.init, identity_commands.show):
    identity.command()(command)
app.add_typer(identity, name="identity")
hosts.command()(install)
app.add_typer(hosts, name="hosts")
models.command("list")(model_commands.list_models)
for command in (
    model_commands.show,
    model_commands.add,
    model_commands.get,
    model_commands.check,
    model_commands.remove,
):
    models.command()(command)
app.add_typer(models, name="models")
for command in (
    engine_commands.start,
    engine_commands.stop,
    engine_commands.status,
    engine_commands.run,
    engine_commands.warm,
):
    engine.command()(command)
app.add_typer(engine, name="engine")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faceplate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line; ends the process with status 0 (done), 1 (something failed) or 2 (wrong usage)."""
    _keep_streams_taken()
    try:
        app(prog_name="faceplate")
    except OSError as error:
        # What is left is the terminal's own: a full disk behind standard output, or a reader that has gone, of which
        # nothing is said. Python would complain once more when it flushes on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError) and sys.stderr is not None:
            typer.echo(f"error: {error.strerror or error}", err=True)
        sys.exit(1)


def _keep_streams_taken() -> None:
    """Where a standard stream was closed, put nothing in its place: the next file would be, and get its messages."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
