"""The protocol: a tagged union of structs each way, in MessagePack.

Every request is answered by one reply or by several of which the last `ends`. Fields are added with defaults and never
retyped; `VERSION` changes when an old client or engine would misunderstand a new one. Paths are as the engine's process
sees them. `codec` has how messages travel.
"""

from typing import Any, ClassVar, Literal

import msgspec

VERSION = 1

Pixel = Literal["float32", "float16", "uint8"]
Shows = Literal["result", "plate", "matte"]
Rows = Literal["down", "up"]


class Request(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of everything that a client asks."""


class Hello(Request, frozen=True, tag="hello"):
    """The first request: which protocol the client speaks, and what it calls itself. Answered by Welcome."""

    version: int
    client: str


class Solve(Request, frozen=True, tag="solve"):
    """Pass 1 of a shot, kept in the tracks file `tracks`; where that is empty, in the one that a Swap would look for.

    `shot` is a recipe as plain values.
    Answered by Accepted, Reported for each event, and Ended. With `detach` the job goes on when the client goes away.
    """

    shot: dict[str, Any]
    tracks: str
    detach: bool = False


class Swap(Request, frozen=True, tag="swap"):
    """A whole shot: solved where it has no tracks yet, and rendered. `frames` narrows what is rendered.

    Answered as Solve is.
    """

    shot: dict[str, Any]
    frames: str = ""
    redo: bool = False
    detach: bool = False


class Review(Request, frozen=True, tag="review"):
    """Serve a page in which a person chooses how a shot's faces are replaced, and has it done.

    `shot` is the recipe to begin with, `title` what the page is headed by. Answered by Page; each time the person has
    it run, by Chosen, Accepted and Reported for each event; and by Ended once the frames are written, or with a
    Failure `cancelled` when the person has left the page. A run that fails or is cancelled ends only itself: the page
    stays, and can be tried again. `frames` narrows what is rendered.
    """

    shot: dict[str, Any]
    title: str = ""
    frames: str = ""
    redo: bool = False


class Preview(Request, frozen=True, tag="preview"):
    """One frame as a recipe makes it, or `shows` of it, as a picture that the engine leases to the client.

    Nothing is written, and `shot` needs no output. `source` is a lease that was submitted, RGB or RGBA, in place of the
    plate's file. Of those with the same `scrub`, only the newest waits; one that gives way is answered by Superseded,
    the others by Previewed. Previews go before jobs. `rows`: the first one is the top (down) or the bottom (up), of the
    picture and of `source`. `colorspace` names the linear space of the picture, where it is not to be the plate's own.
    With `rgba` a matte, too, has four channels, which are the same.
    """

    shot: dict[str, Any]
    frame: int
    shows: Shows = "result"
    source: str = ""
    scrub: str = ""
    rows: Rows = "down"
    colorspace: str = ""
    rgba: bool = False


class Look(Request, frozen=True, tag="look"):
    """What the engine sees in footage; `plate` is that section of a recipe. Answered by Footage."""

    plate: dict[str, Any]


class Faces(Request, frozen=True, tag="faces"):
    """The people in a shot, as its solve has them. Answered by FaceList, and by a Failure `not-solved` before that."""

    shot: dict[str, Any]


class Geometry(Request, frozen=True, tag="geometry"):
    """Where one face of a solved shot lies in each of its frames, from `first` to `last`. Answered by Geometries.

    `face` names it as a recipe does. In plate pixels; with a `focal` length, in plate pixels too, in the space of such
    a camera, in centimetres: x to the right, y up, looking along -z, each point seen where it is in the plate.
    """

    shot: dict[str, Any]
    face: str
    first: int
    last: int
    focal: float = 0.0


class Topology(Request, frozen=True, tag="topology"):
    """What all meshes of faces have in common. Answered by FaceTopology."""


class Lease(Request, frozen=True, tag="lease"):
    """Shared memory for a picture (height, width, channels) of `pixel`, in a colour space. Answered by Leased."""

    height: int
    width: int
    channels: int
    pixel: Pixel
    colorspace: str = ""


class Submit(Request, frozen=True, tag="submit"):
    """The picture in a lease is complete: the engine takes it, and later writes by the client have no effect on it.

    Without a copy, if the client has let go of its arrays; then the lease can only be read until it is released.
    Answered by Done: what asks for the picture before that may find the one that was submitted earlier.
    """

    lease: str


class Release(Request, frozen=True, tag="release"):
    """A lease is not needed any more. Answered by Done."""

    lease: str


class Cancel(Request, frozen=True, tag="cancel"):
    """Stop a job within one frame; finished frames stay. Answered by Done."""

    job: int


class Jobs(Request, frozen=True, tag="jobs"):
    """The jobs that wait, run, or have ended lately. Answered by JobList."""


class Follow(Request, frozen=True, tag="follow"):
    """The events of a job from now on. Answered by Accepted, Reported for each event, and Ended."""

    job: int


class Status(Request, frozen=True, tag="status"):
    """How the engine is. Answered by State."""


class Models(Request, frozen=True, tag="models"):
    """The models that the engine has. Answered by ModelList."""


class Identities(Request, frozen=True, tag="identities"):
    """The identities in the folders below `folder`. Answered by IdentityList."""

    folder: str


class Shutdown(Request, frozen=True, tag="shutdown"):
    """End the engine, once the frames in work are whole. Answered by Done."""


class Reply(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of everything that the engine answers. The last reply to a request `ends` it."""

    ends: ClassVar[bool] = True


class Welcome(Reply, frozen=True, tag="welcome"):
    """The engine's protocol, version and process, what it can do beyond the protocol's first version, and its OCIO."""

    version: int
    engine: str
    pid: int
    capabilities: tuple[str, ...] = ()
    color_config: str = ""


class Done(Reply, frozen=True, tag="done"):
    """What was asked is done."""


class Failure(Reply, frozen=True, tag="failure"):
    """What was asked is not done: a stable code, a sentence, what to do, and whether trying again may help."""

    code: str
    message: str
    remedy: str = ""
    retry: bool = False


class Page(Reply, frozen=True, tag="page"):
    """Where a page is served, for a browser on this machine; the address holds the token, so it is for nobody else."""

    ends: ClassVar[bool] = False
    url: str


class Chosen(Reply, frozen=True, tag="chosen"):
    """The recipe that a person has begun to run, as plain values."""

    ends: ClassVar[bool] = False
    shot: dict[str, Any]


class Accepted(Reply, frozen=True, tag="accepted"):
    """A job has a number."""

    ends: ClassVar[bool] = False
    job: int


class Reported(Reply, frozen=True, tag="reported"):
    """An event of a job, as `engine.events` has them, with its speed and what is left where that is known."""

    ends: ClassVar[bool] = False
    job: int
    event: dict[str, Any]
    frames_per_second: float = 0.0
    seconds_left: float = -1.0


class Ended(Reply, frozen=True, tag="ended"):
    """A job is over; `failure` says why it could not be done, or that it was cancelled."""

    job: int
    failure: Failure | None = None


class Leased(Reply, frozen=True, tag="leased"):
    """A lease: its number to ask with, and the segment and size that only this client may map."""

    lease: str
    segment: str
    size: int


class LeasedPicture(Leased, frozen=True):
    """A lease of what the engine has filled: (height, width, channels) of `pixel`."""

    height: int
    width: int
    channels: int
    pixel: Pixel


class Previewed(LeasedPicture, frozen=True, tag="previewed"):
    """A preview: a lease of a picture (height, width, channels) of `pixel` over the display window; release it.

    Result and plate are RGBA, scene-linear in the primaries of `colorspace`, premultiplied, and clear where the plate
    has no pixels; a matte has one channel, or four. `solved` says whether the face comes from the solve of the whole
    shot, or from this frame alone, where there is no solve yet; `faces` counts those that were replaced.
    """

    frame: int
    faces: int
    colorspace: str
    solved: Literal["shot", "frame"]
    milliseconds: dict[str, float] = {}


class Superseded(Reply, frozen=True, tag="superseded"):
    """A preview was left out, because a newer one of the same `scrub` came before it was begun."""


class Footage(Reply, frozen=True, tag="footage"):
    """Footage as the engine sees it: `frames` and `missing` are ranges such as 1001-1024, `rate` frames a second or 0.

    `known_by` is how the colour space is known: option, attribute, chromaticities or default. `encoded`: it is not
    linear light. `data` is the first frame's data window, left, top, right and bottom, in pixels from the top left of
    the display window, which is (width, height).
    """

    path: str
    name: str
    kind: str
    frames: str
    first: int
    last: int
    count: int
    missing: str
    width: int
    height: int
    rate: float
    colorspace: str
    known_by: str
    encoded: bool
    data: tuple[int, int, int, int] = (0, 0, 0, 0)


class Face(msgspec.Struct, frozen=True):
    """A person in a shot: `number` names them in a recipe, the largest is 1; median `width` in pixels; `frames` seen.

    `thumbnail` is a square of `side` × `side` pixels from frame `at`, RGBA of 8 bits for a screen, the top row first.
    """

    number: int
    width: float
    first: int
    last: int
    frames: int
    at: int
    side: int
    thumbnail: bytes


class FaceList(Reply, frozen=True, tag="face-list"):
    faces: tuple[Face, ...]


class Geometries(LeasedPicture, frozen=True, tag="geometries"):
    """A lease of (height, width, 3) float32: for each of the `frames` a row of 478 points; release it.

    In plate pixels x is to the right, y down, from the top left of the display window; z in the same scale, smaller
    is nearer.
    """

    frames: tuple[int, ...]


class FaceTopology(Reply, frozen=True, tag="face-topology"):
    """The first 468 points of a face as a mesh: `triangles` of three points each; (u, v) of each point, v upwards.

    `landmarks` are single points by name, and `rings` closed lines of points, in order: of the hull and of features.
    """

    triangles: tuple[tuple[int, int, int], ...]
    uv: tuple[tuple[float, float], ...]
    landmarks: dict[str, int]
    rings: dict[str, tuple[int, ...]]


class JobState(msgspec.Struct, frozen=True):
    """A job: `state` is waiting, running, done, failed or cancelled; counts are of frames."""

    job: int
    kind: str
    plate: str
    output: str
    state: str
    stage: str = ""
    done: int = 0
    total: int = 0
    frames_per_second: float = 0.0
    seconds_left: float = -1.0


class JobList(Reply, frozen=True, tag="job-list"):
    jobs: tuple[JobState, ...]


class State(Reply, frozen=True, tag="state"):
    """The engine: how long it runs (seconds), how far it is warm (0 to 1), clients and jobs.

    In bytes: what is `leased`, what is `kept` to be used again, the `limit` of the two together, and the memory of the
    whole process; and, outside that limit, the files of those open `networks` that people brought. `provider` is what
    runs networks, as onnxruntime names it; empty until one is open.
    """

    engine: str
    pid: int
    seconds: float
    warm: float
    leased: int
    clients: int
    jobs: tuple[JobState, ...]
    kept: int = 0
    limit: int = 0
    memory: int = 0
    provider: str = ""
    previews: int = 0
    networks: int = 0


class Model(msgspec.Struct, frozen=True):
    """A network that the engine has; `bytes` of its file, and whether it is open."""

    name: str
    licence: str
    origin: str
    bytes: int
    open: bool


class ModelList(Reply, frozen=True, tag="model-list"):
    models: tuple[Model, ...]


class Identity(msgspec.Struct, frozen=True):
    """A folder of pictures of one person; `consent` is valid, missing, expired or unreadable, with a sentence.

    `picture` is the file of the first one.
    """

    folder: str
    person: str
    pictures: int
    consent: str
    message: str = ""
    picture: str = ""


class IdentityList(Reply, frozen=True, tag="identity-list"):
    identities: tuple[Identity, ...]


AnyRequest = (
    Hello | Solve | Swap | Preview | Lease | Submit | Release | Cancel | Jobs | Follow | Status | Models | Identities
    | Look | Faces | Geometry | Topology | Review | Shutdown
)  # fmt: skip
AnyReply = (
    Welcome | Done | Failure | Accepted | Reported | Ended | Previewed | Superseded | Leased | JobList | State
    | ModelList | IdentityList | Footage | FaceList | Geometries | FaceTopology | Page | Chosen
)  # fmt: skip
