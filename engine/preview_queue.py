"""Previews in the order in which they are asked for, and while somebody scrubs only the newest.

One thread makes them. It reads a frame while a job still works on its own, and then goes before all jobs.
"""

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from engine import recipe
from engine.errors import Cancelled, FaceplateError
from engine.failure import failure_from
from engine.geometry import Box
from engine.kept import Kept
from engine.leases import Leases
from engine.models.used import ensure_usable
from engine.preview import Made, linear_space, look, make
from engine.shot import Shot
from engine.turns import Turns
from engine.wire.messages import Failure, Preview, Previewed, Reply, Superseded

# Previews that may wait, of all clients.
WAITING = 64
_log = logging.getLogger(__name__)


class TooManyPreviews(FaceplateError):
    """The queue is full."""

    code = "too-many-previews"
    retry = True


class _Asked(NamedTuple):
    request: Preview
    shot: Shot
    client: bytes
    answer: Callable[[Reply], None]


class PreviewQueue:
    """All previews of an engine. For any thread."""

    def __init__(self, turns: Turns, leases: Leases, kept: Kept) -> None:
        self._turns, self._leases, self._kept = turns, leases, kept
        self._changed = threading.Condition()
        self._waiting: OrderedDict[Hashable, _Asked] = OrderedDict()
        self._numbers = itertools.count()
        self._now: _Asked | None = None
        self._gone = False
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="preview", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many wait or are made."""
        with self._changed:
            return len(self._waiting) + (self._now is not None)

    def start(self, request: Preview, client: bytes, answer: Callable[[Reply], None]) -> None:
        """Queue a preview, in place of one of the same scrub that waits. Raises RecipeError and TooManyPreviews."""
        shot = recipe.parse(request.shot)
        key = (client, request.scrub or next(self._numbers))
        with self._changed:
            before = self._waiting.get(key)
            if before is None and (len(self._waiting) >= WAITING or self._closing):
                raise TooManyPreviews(f"{len(self._waiting)} previews wait already.", "Try again in a moment.")
            self._waiting[key] = _Asked(request, shot, client, answer)
            self._changed.notify()
        if before is not None:
            before.answer(Superseded())

    def vanished(self, client: bytes) -> None:
        """A client has gone: nothing is made for it any more, and no picture leased. Call before its leases end."""
        with self._changed:
            for key in [key for key, asked in self._waiting.items() if asked.client == client]:
                del self._waiting[key]
            if self._now is not None and self._now.client == client:
                self._gone = True

    def close(self) -> None:
        """Make none any more, and wait for the one that is made."""
        with self._changed:
            self._closing = self._gone = True
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                asked = self._waiting.popitem(last=False)[1]
                self._now, self._gone = asked, False
            asked.answer(self._reply(asked))
            with self._changed:
                self._now = None

    def _reply(self, asked: _Asked) -> Reply:
        try:
            return self._leased(asked, self._made(asked))
        except MemoryError:
            self._kept.clear()
            return Failure("memory", "There is not enough memory.", "Close other programs.", True)
        except Exception as error:  # noqa: BLE001
            return failure_from(error, _log, f"preview of frame {asked.request.frame}")

    def _made(self, asked: _Asked) -> Made:
        request, kept = asked.request, self._kept
        source = self._leases.submitted(asked.client, request.source) if request.source else None
        if source is not None and request.rows == "up":
            source = source._replace(pixels=np.ascontiguousarray(source.pixels[::-1]), key=f"{source.key} up")
        color = linear_space(request.colorspace) if request.colorspace else None
        looked = look(asked.shot, request.frame, request.shows, source, kept, self._check_room)
        if request.shows != "plate":
            # Without the turn: others go on while a network is tried.
            ensure_usable(asked.shot, lambda: self._gone)
        with self._turns.turn(urgent=True):
            self._stop_if_gone()
            return make(looked, asked.shot, request.shows, kept, lambda: self._gone, color)

    def _check_room(self, window: Box) -> None:
        self._leases.check(window.height, window.width, 4, "float32")

    def _leased(self, asked: _Asked, made: Made) -> Previewed:
        height, width, channels = made.shape(asked.request.rgba)
        with self._changed:
            self._stop_if_gone()
            # Whoever vanishes from now on has this lease, and loses it.
            granted = self._leases.grant(asked.client, height, width, channels, "float32", made.colorspace)
        try:
            picture = self._leases.picture(asked.client, granted.lease)
            made.fill(picture if asked.request.rows == "down" else picture[::-1])
            del picture
        except BaseException:
            self._leases.release(asked.client, granted.lease)
            raise
        return Previewed(
            *granted,
            *(height, width, channels, "float32"),
            frame=asked.request.frame,
            faces=made.faces,
            colorspace=made.colorspace,
            solved=made.solved,
            milliseconds=made.milliseconds,
        )

    def _stop_if_gone(self) -> None:
        if self._gone:
            raise Cancelled("Nobody waits for the preview any more.")
