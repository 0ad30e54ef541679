"""`faceplate jobs`: the jobs of the resident engine."""

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.display import json_line, line
from engine.cli.options import Json
from engine.cli.remote import follow as follow_job
from engine.cli.session import INTERRUPTED, Session, session
from engine.cli.state import job_line

if TYPE_CHECKING:
    from engine.wire.client import Client


def jobs(
    follow: Annotated[int | None, typer.Option("--follow", metavar="JOB", help="Show the events of a job.")] = None,
    cancel: Annotated[int | None, typer.Option("--cancel", metavar="JOB", help="Stop a job within a frame.")] = None,
    json: Json = False,
) -> None:
    """List the engine's jobs, follow one until it ends, or cancel one. Ctrl-C ends the looking, and no job."""
    with session(json, patient=False) as current:
        import msgspec

        from engine.wire.connect import connect
        from engine.wire.messages import Cancel, Done, JobList, Jobs

        with connect("faceplate jobs") as client:
            if cancel is not None:
                client.ask(Cancel(cancel), Done)
            if follow is not None:
                _watch(current, client, follow)
            if cancel is None and follow is None:
                for job in client.ask(Jobs(), JobList).jobs:
                    if json:
                        json_line(msgspec.json.encode(job))
                    else:
                        line(job_line(job))


def _watch(current: Session, client: "Client", job: int) -> None:
    """Show a job's events until it has ended; Ctrl-C leaves it to the engine."""
    from engine.events import Notice
    from engine.wire.messages import Follow

    try:
        follow_job(current, client, Follow(job))
    except KeyboardInterrupt:
        current.report(Notice("job-goes-on", f"Job {job} goes on in the engine."))
        # Not 0: what the job comes to is not known yet.
        raise typer.Exit(INTERRUPTED) from None
