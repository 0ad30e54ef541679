"""The jobs of the resident engine: they wait, run side by side in turn, are followed, and are cancelled.

No sockets: what a job has to say goes to its followers, as replies of the protocol.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine import core, recipe
from engine.errors import Cancelled, FaceplateError, UsageError
from engine.events import Event, FrameDone, FrameFailed, FrameSkipped, Progress, Started, shown, to_plain
from engine.failure import failure_from, short
from engine.kept import Kept
from engine.priority import give_way
from engine.shot import Shot
from engine.turns import Turns
from engine.wire.messages import Accepted, Ended, Failure, JobState, Reply, Reported, Solve, Swap

Follower = Callable[[Reply], None]

# Jobs that run side by side: more would only hold memory while they wait for the device.
RUNNING = 4
# Jobs that may wait, and ended ones that are remembered.
WAITING, REMEMBERED = 64, 32
# Frames that the speed is taken from.
_RECENT = 16
_log = logging.getLogger(__name__)


class TooManyJobs(FaceplateError):
    """The queue is full."""

    code = "too-many-jobs"
    retry = True


class NoSuchJob(UsageError):
    """No job has this number, or it ended long ago."""

    code = "no-such-job"


class Job:
    """One job. `owner` is the client that it ends with; None where it is detached."""

    def __init__(self, number: int, request: Solve | Swap, shot: Shot, owner: bytes, turns: Turns, kept: Kept) -> None:
        self.number = number
        self.owner = None if request.detach else owner
        self._request, self._shot, self._turns, self._kept = request, shot, turns, kept
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._followers: list[Follower] = []
        self._ended: Ended | None = None
        self._times: deque[float] = deque(maxlen=_RECENT)
        kind, output = ("solve", request.tracks) if isinstance(request, Solve) else ("swap", shot.output.path)
        self._state = JobState(number, kind, short(shown(shot.plate.path)), short(shown(output)), "waiting")

    @property
    def state(self) -> JobState:
        return self._state

    @property
    def over(self) -> bool:
        return self._ended is not None

    def follow(self, follower: Follower) -> None:
        """Tell `follower` what happens from now on; at once that it is over, where it is. Called from any thread."""
        with self._lock:
            follower(Accepted(self.number))
            if self._ended is None:
                self._followers.append(follower)
            else:
                follower(self._ended)

    def cancel(self) -> None:
        """Stop within one frame; finished frames stay."""
        self._cancelled.set()

    def run(self) -> None:
        """Do the work, in turn with others; every error is the job's outcome."""
        self._state = msgspec.structs.replace(self._state, state="running")
        _log.info("job %d begins, a %s", self.number, self._state.kind)
        failure = None
        try:
            if self._cancelled.is_set():
                raise Cancelled("Stopped before it began.")
            with self._turns.turn():
                self._work()
        except MemoryError:
            failure = Failure("memory", "There is not enough memory.", "Close other programs, or run fewer jobs.", True)
        except Exception as error:  # noqa: BLE001
            failure = failure_from(error, _log, f"job {self.number}")
        self._end(failure)

    def _work(self) -> None:
        match self._request:
            case Solve(tracks=tracks):
                path = Path(tracks) if tracks else None
                core.solve_shot(self._shot, path, self._report, cancelled=self._stop, keep=self._kept)
            case Swap(frames=frames, redo=redo):
                told, stop, kept = self._report, self._stop, self._kept
                core.run(self._shot, told, cancelled=stop, redo=redo, frames=frames, keep=kept)

    def _stop(self) -> bool:
        """Asked by the job once a frame. Others have their turn meanwhile."""
        self._turns.pass_on()
        return self._cancelled.is_set()

    def _report(self, event: Event) -> None:
        with self._lock:
            self._state = self._after(event)
            state = self._state
            told = Reported(self.number, to_plain(event), state.frames_per_second, state.seconds_left)
            for follower in self._followers:
                follower(told)

    def _after(self, event: Event) -> JobState:
        """The job's state once `event` has happened."""
        state = self._state
        match event:
            case Started(frames=frames):
                return msgspec.structs.replace(state, total=frames)
            case Progress(stage=stage, done=done, total=total):
                if stage != state.stage:
                    self._times.clear()
                changed = msgspec.structs.replace(state, stage=stage, done=done, total=total)
            case FrameDone() | FrameSkipped() | FrameFailed():
                if state.stage != "render":
                    self._times.clear()
                    state = msgspec.structs.replace(state, stage="render", done=0)
                changed = msgspec.structs.replace(state, done=state.done + 1)
            case _:
                return state
        self._times.append(time.monotonic())
        span = self._times[-1] - self._times[0]
        rate = (len(self._times) - 1) / span if span > 0 else 0.0
        left = max(0, changed.total - changed.done) / rate if rate else -1.0
        return msgspec.structs.replace(changed, frames_per_second=rate, seconds_left=left)

    def _end(self, failure: Failure | None) -> None:
        outcome = "done" if failure is None else "cancelled" if failure.code == Cancelled.code else "failed"
        _log.info("job %d %s%s", self.number, outcome, f": {failure.code}" if failure and outcome == "failed" else "")
        with self._lock:
            self._state = msgspec.structs.replace(self._state, state=outcome, seconds_left=0.0)
            self._ended = Ended(self.number, failure)
            for follower in self._followers:
                follower(self._ended)
            self._followers.clear()


class JobQueue:
    """All jobs: up to RUNNING run side by side, the others wait in the order they came. For any thread."""

    def __init__(self, turns: Turns, kept: Kept) -> None:
        self._turns, self._kept = turns, kept
        self._changed = threading.Condition()
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[Job] = deque()
        self._last = 0
        self._closing = False
        self._threads = [threading.Thread(target=self._work, name=f"job {n}", daemon=True) for n in range(RUNNING)]
        for thread in self._threads:
            thread.start()

    def start(self, request: Solve | Swap, owner: bytes, follower: Follower) -> Job:
        """Queue a job and follow it. Raises RecipeError for a recipe that makes no sense, and TooManyJobs."""
        shot = recipe.parse(request.shot)
        with self._changed:
            if len(self._waiting) >= WAITING or self._closing:
                raise TooManyJobs(f"{len(self._waiting)} jobs wait already.", "Try again when some are done.")
            self._last += 1
            job = Job(self._last, request, shot, owner, self._turns, self._kept)
            self._jobs[job.number] = job
            self._forget()
            job.follow(follower)
            self._waiting.append(job)
            self._changed.notify()
        return job

    def job(self, number: int) -> Job:
        """The job of a number. Raises NoSuchJob."""
        try:
            return self._jobs[number]
        except KeyError:
            raise NoSuchJob(f"There is no job {number}.", "`faceplate jobs` lists them.") from None

    def states(self) -> tuple[JobState, ...]:
        """Every job that waits or runs, and those that ended last, in the order they came."""
        return tuple(job.state for job in list(self._jobs.values()))

    def vanished(self, owner: bytes) -> None:
        """A client has gone: its jobs are cancelled, but for those that are detached."""
        for job in list(self._jobs.values()):
            if job.owner == owner:
                job.cancel()

    def close(self) -> None:
        """Cancel every job, and wait until the frames in work are whole."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for job in list(self._jobs.values()):
            job.cancel()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        give_way()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                job = self._waiting.popleft()
            job.run()

    def _forget(self) -> None:
        over = [number for number, job in self._jobs.items() if job.over]
        for number in over[: max(0, len(over) - REMEMBERED)]:
            del self._jobs[number]
