"""`faceplate engine`: the process that keeps models and kernels ready for the hosts, and what is done to it."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.display import json_line, line
from engine.cli.options import Json
from engine.cli.session import session
from engine.cli.state import ask_state, state_lines

if TYPE_CHECKING:
    from engine.assemble import Assembly
    from engine.resident import Standing
    from engine.wire.errors import EngineError
    from engine.wire.messages import State
    from engine.wire.place import Connection


Memory = Annotated[
    float,
    typer.Option(
        "--memory",
        metavar="GIB",
        min=0.25,
        envvar="FACEPLATE_MEMORY",
        help="For what the engine keeps to use again, and for pictures that hosts share with it.",
        show_default="a quarter of the machine's",
    ),
]


def start(memory: Memory | None = None, json: Json = False) -> None:
    """Start the engine in the background, and wait until it is ready. Does nothing when one runs already."""
    with session(json, patient=False):
        from engine.resident import start as start_engine

        standing, begun = start_engine(() if memory is None else ("--memory", str(memory)))
        _show(standing, f"An engine runs{'' if begun else ' already'}, as process {standing.pid}.", json)


def run(
    memory: Memory | None = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show nothing; the log has it.")] = False,
) -> None:
    """Be the engine, in the foreground, until Ctrl-C: once for when the frames in work are whole, twice for at once.

    In a terminal it shows its state and its jobs, elsewhere what it logs.
    """
    with session(patient=False):
        import logging

        from engine.cli.live import live_view
        from engine.resident import serve

        def make(place: Path) -> "Assembly":
            return _server(place, memory)

        view = None if quiet else live_view()
        if view is None:
            serve(make, None if quiet else logging.StreamHandler())
        else:
            with view:
                serve(view.watching(make), view.log)


def stop(json: Json = False) -> None:
    """End the engine once the frames in work are whole; asked a second time meanwhile, it ends at once."""
    with session(json, patient=False):
        from engine.resident import standing
        from engine.resident import stop as stop_engine

        pid = stop_engine(_ask_to_end)
        _show(standing(), f"The engine, process {pid}, has ended." if pid else "No engine runs.", json)


def status(json: Json = False) -> None:
    """Say whether the engine runs, where, and what it does."""
    with session(json, patient=False):
        from engine.resident import standing

        found = standing()
        state, error = _asked(found)
        if json:
            _show_all(found, state, error)
            return
        for text in (
            _sentence(found),
            *(state_lines(state) if state else []),
            *([str(error)] if error else []),
            f"Its folder is {found.place}, its log {found.log}.",
        ):
            line(text)


def warm(json: Json = False) -> None:
    """Compile the kernels and check the networks now, so that the first job does not have to wait for it.

    It takes a minute or two once, and a second when it has been done already.
    """
    with session(json, patient=False) as current:
        from engine.warm import warm as make_ready

        make_ready(current.report)


def _asked(found: "Standing") -> "tuple[State | None, EngineError | None]":
    """What the engine says of itself, or why it says nothing; neither where there is none to be asked."""
    from engine.wire.errors import EngineError
    from engine.wire.place import read_connection, runtime_folder

    try:
        connection = read_connection(runtime_folder()) if found.ready else None
        return (None if connection is None else ask_state(connection)), None
    except EngineError as error:
        return None, error


def _show_all(found: "Standing", state: "State | None", error: "EngineError | None") -> None:
    import msgspec

    told = {"code": error.code, "message": error.message, "remedy": error.remedy} if error else None
    json_line(msgspec.json.encode(msgspec.to_builtins(found) | {"state": state, "error": told}))


def _ask_to_end(connection: "Connection") -> None:
    from engine.wire.client import Client
    from engine.wire.connect import link_to
    from engine.wire.messages import Done, Shutdown

    with Client(link_to(connection), "faceplate engine stop") as client:
        client.ask(Shutdown(), Done)


def _server(place: Path, gibibytes: float | None) -> "Assembly":
    # Only now, with the lock held: it loads everything, and the second of two engines would do that for nothing.
    import psutil

    from engine.assemble import Assembly

    limit = psutil.virtual_memory().total // 4 if gibibytes is None else round(gibibytes * 2**30)
    return Assembly(place, limit)


def _show(standing: "Standing", text: str, json: bool) -> None:
    if json:
        import msgspec

        json_line(msgspec.json.encode(standing))
    else:
        line(text)


def _sentence(found: "Standing") -> str:
    if found.ready:
        since = datetime.fromtimestamp(found.started).strftime("%Y-%m-%d %H:%M:%S")
        return f"An engine runs, as process {found.pid}: faceplate {found.engine}, since {since}."
    if found.pid:
        return f"An engine begins, as process {found.pid}; it is not ready yet."
    if found.stale:
        return "No engine runs. One that died has left files, which the next one clears away."
    return "No engine runs."
