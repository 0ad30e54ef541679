"""What the engine says of itself, in words: for `faceplate engine status`, `faceplate jobs` and the live view."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.wire.messages import JobState, State
    from engine.wire.place import Connection

# Seconds that a person waits for an answer.
_PATIENCE = 2.0
ACTIVE = ("waiting", "running")


def ask_state(connection: "Connection") -> "State":
    """The state of the running engine that a connection file describes, with this command left out of its clients.

    Takes about two seconds at most. Raises EngineError.
    """
    import msgspec

    from engine.wire.client import Client
    from engine.wire.connect import link_to
    from engine.wire.errors import EngineGone, EngineSilent
    from engine.wire.messages import State, Status

    try:
        with Client(link_to(connection), "faceplate engine status", _PATIENCE) as client:
            state = client.ask(Status(), State)
    except EngineGone as error:
        # Its process is there.
        raise EngineSilent("The engine does not answer.", "Wait, or end it: faceplate engine stop.") from error
    return msgspec.structs.replace(state, clients=max(0, state.clients - 1))


def state_lines(state: "State") -> list[str]:
    """The engine in a few lines, and a line for each job that waits or runs."""
    jobs = [job_line(job) for job in state.jobs if job.state in ACTIVE]
    return [f"{', '.join(readiness(state))}.", f"{memory(state)}.", *(jobs or ["No jobs."])]


def readiness(state: "State") -> list[str]:
    """How far it is warm, what runs its networks, and who is there."""
    warm = "warm" if state.warm >= 1.0 else f"warm to {state.warm:.0%}"
    networks = [f"networks on {state.provider.removesuffix('ExecutionProvider')}"] if state.provider else []
    previews = [counted(state.previews, "preview")] if state.previews else []
    return [warm.capitalize(), *networks, counted(state.clients, "client"), *previews]


def memory(state: "State") -> str:
    """The memory of the process, and of it what is leased and kept; and the files of the networks that are open."""
    networks = f", networks of {size(state.networks)}" if state.networks else ""
    limit = f" of {size(state.limit)}" if state.limit else ""
    return f"Memory {size(state.memory)}; leased {size(state.leased)}, kept {size(state.kept)}{limit}{networks}"


def job_line(job: "JobState") -> str:
    """A job in one line."""
    counts = f" {job.done} of {job.total}" if job.total else ""
    told = [f"{job.stage}{counts}", pace(job), left(job)]
    # A solve has no frames to write.
    paths = f"{job.plate} → {job.output}" if job.output else job.plate
    return f"{job.job:>4}  {job.kind:<6}{job.state:<10}{', '.join(filter(None, told))}  {paths}"


def pace(job: "JobState") -> str:
    """How fast a job goes; empty where that is not known."""
    return f"{job.frames_per_second:.2f} frames/s" if job.frames_per_second > 0 else ""


def left(job: "JobState") -> str:
    """How long a job will still take; empty where that is not known, and where it is over."""
    return f"{duration(job.seconds_left)} left" if job.seconds_left > 0 else ""


def duration(seconds: float) -> str:
    """42 s, 3:07 min, or 1:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"


def size(count: int) -> str:
    """Bytes as 0, MiB or GiB."""
    if count < 1 << 20:
        return "0" if count == 0 else "under 1 MiB"
    return f"{count / 2**20:.0f} MiB" if count < 1 << 30 else f"{count / 2**30:.1f} GiB"


def counted(count: int, noun: str) -> str:
    """1 client, 2 clients, no clients."""
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
