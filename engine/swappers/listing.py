"""An identity's pictures as rows: what was measured of each, and what becomes of it."""

from typing import Literal

import msgspec

from engine.errors import IdentityError
from engine.events import Event, shown
from engine.swappers.choice import fault
from engine.swappers.portrait import Portrait
from engine.swappers.references import Folder, Pictured


class PictureListed(Event, frozen=True, tag="picture"):
    """A picture of an identity.

    state: "used" where a frame may choose it; "spare" where `better` shows nearly the same pose and mouth and has less
    against it; "stranger" where it shows somebody else than most; "unclear" where most show no one person; "unusable".
    message: why, in a sentence. yaw, pitch: degrees. mouth: its openness, in widths of a mouth at rest. exposure, side,
    top, contrast: of the light, in stops, as in `inspection.Light`. sharpness: [0, 1]. width: of the face, in pixels.
    fault: what is held against it when a frame chooses, in 60 degrees of a turn. covered: by what the skin is.
    """

    picture: str
    state: Literal["used", "spare", "stranger", "unclear", "unusable"]
    message: str = ""
    better: str = ""
    yaw: float = 0.0
    pitch: float = 0.0
    mouth: float = 0.0
    exposure: float = 0.0
    side: float = 0.0
    top: float = 0.0
    contrast: float = 0.0
    sharpness: float = 0.0
    width: float = 0.0
    fault: float = 0.0
    covered: tuple[str, ...] = ()

    def row(self) -> tuple[str, ...]:
        """The cells under `HEADINGS`."""
        if self.state == "unusable":
            return (self.picture, *[""] * 6, self.message)
        light = f"{_side(self.side, self.top)} {self.contrast:.1f}"
        pose = f"{self.yaw:+.0f}/{self.pitch:+.0f}"
        found = pose, f"{self.mouth:.2f}", light, f"{self.sharpness:.2f}", f"{self.width:.0f}", ", ".join(self.covered)
        return (self.picture, *found, self.message or self.state)


HEADINGS = ("picture", "yaw/pitch", "mouth", "light", "sharp", "width", "covered by", "use")
# Stops over the face from which light counts as coming from somewhere.
_ASIDE = 1.0


def listed(folder: Folder) -> list[PictureListed]:
    """A row for each picture, in the order of their names."""
    try:
        spare = folder.identity().spare
    except IdentityError:
        spare = {}
    return [_row(one, spare.get(one.name, ""), folder.divided) for one in folder.pictures]


def _row(one: Pictured, better: str, divided: bool) -> PictureListed:
    name = shown(one.name)
    if one.reference is None:
        return PictureListed(name, "unusable", shown(one.problem.message) if one.problem else "")
    row = _measured(name, one.reference.portrait)
    if divided:
        return msgspec.structs.replace(row, state="unclear", message="most pictures show no one person")
    if one.stranger:
        return msgspec.structs.replace(row, state="stranger", message="somebody else, left out")
    if better:
        message = f"spare, {shown(better)} is like it"
        return msgspec.structs.replace(row, state="spare", message=message, better=shown(better))
    return row


def _measured(name: str, portrait: Portrait) -> PictureListed:
    light = portrait.light
    return PictureListed(
        name,
        "used",
        yaw=portrait.angles[0],
        pitch=portrait.angles[1],
        mouth=portrait.mouth.openness,
        exposure=light.exposure,
        side=light.side,
        top=light.top,
        contrast=light.contrast,
        sharpness=portrait.sharpness,
        width=portrait.width,
        fault=fault(portrait),
        covered=portrait.obstructions,
    )


def _side(side: float, top: float) -> str:
    """Where the light comes from, as the picture has it: left, right, top, below; or "even"."""
    across = "" if abs(side) < _ASIDE else "right" if side > 0.0 else "left"
    down = "" if abs(top) < _ASIDE else "top" if top > 0.0 else "below"
    return " ".join(part for part in (down, across) if part) or "even"
