"""For hosts: a frame as the recipe makes it, and pictures that only the host has, in shared memory, without waiting."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.wire.contact import Contact
from engine.wire.frames import attach
from engine.wire.messages import Lease, Leased, Preview, Previewed, Submit
from engine.wire.talk import Talk, converse

Float32 = NDArray[np.float32]
# Given a preview, and its picture (height, width, channels) for as long as the call lasts.
Take = Callable[[Previewed, Float32], None]


def ask_picture(contact: Contact, request: Preview, take: Take) -> Callable[[], bool]:
    """Ask for a preview, for `take`; what tells whether that is over. What goes wrong is the contact's error."""
    return converse(contact, _shown(contact, request, take))


def ask_picture_of(
    contact: Contact,
    request: Preview,
    shape: tuple[int, int, int],
    colorspace: str,
    fill: Callable[[Float32], None],
    take: Take,
) -> Callable[[], bool]:
    """The same for a picture (height, width, channels) in that space, which `fill` writes into the engine's memory."""

    def talk() -> Talk:
        lease = Lease(*shape, "float32", colorspace)
        leased: Leased = yield lease
        try:
            fill(attach(lease, leased))
            yield Submit(leased.lease)
            yield from _shown(contact, msgspec.structs.replace(request, source=leased.lease), take)
        finally:
            contact.release(leased.lease)

    return converse(contact, talk())


def _shown(contact: Contact, request: Preview, take: Take) -> Talk:
    told: Any = yield request
    # One that gave way to a newer one has no picture.
    if isinstance(told, Previewed):
        try:
            take(told, attach(told, told, writing=False))
        finally:
            contact.release(told.lease)
