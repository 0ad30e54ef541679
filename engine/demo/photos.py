"""The two people of the demo, and the scene that a photo becomes: light over a wide range, and a depth.

Both photos are works of the United States government, in the public domain, and come inside the packages that plot
and process pictures. A photo has been through a print's tone curve; taking that curve off again gives light whose
highlights go well over 1.0, as film sees it, and looking through the same curve gives the photo back.
"""

from importlib import resources
from typing import NamedTuple

import cv2
import msgspec
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from engine.errors import UsageError
from kernels.view import make_view, unview

Float32 = NDArray[np.float32]

# The tone curve of the print: linear up to 0.5, then a shoulder that shows 16.0 as white.
PRINT = make_view(knee=0.5, white=16.0)
# The sRGB curve alone, but for its last hundredth.
PLAIN = make_view(knee=0.99, white=1.01)
# Scene pixels per photo pixel. Above every zoom of the camera, so that the camera never magnifies.
DETAIL = 4


class Photo(msgspec.Struct, frozen=True):
    """A picture of one person, and how the camera frames it. Places and lengths are photo pixels."""

    key: str
    person: str
    origin: str
    package: str
    member: str
    # Centre of the face, and its width from cheek to cheek.
    face: tuple[float, float]
    face_width: float
    # What the middle of the first frame shows, and how many plate pixels a photo pixel takes there.
    aim: tuple[float, float]
    zoom: float
    # How far the scene goes on beyond the photo's border.
    margin: int
    # Lamps out of focus behind the person: centre, radius, and linear light (1.0 is the photo's diffuse white).
    lamps: tuple[tuple[float, float, float, float], ...]

    def file_bytes(self) -> bytes:
        """The picture file as its package carries it; raises UsageError where the package is not installed."""
        try:
            return resources.files(self.package).joinpath(self.member).read_bytes()
        except (ModuleNotFoundError, FileNotFoundError) as missing:
            raise UsageError(
                f"The demo's picture {self.member} is not installed.", "Install faceplate with its demo extra."
            ) from missing

    def pixels(self) -> Float32:
        """The photo (h, w, 3), sRGB signal in [0, 1], RGB."""
        stored = cv2.imdecode(np.frombuffer(self.file_bytes(), np.uint8), cv2.IMREAD_COLOR)
        if stored is None:
            raise UsageError(f"The demo's picture {self.member} cannot be read.", "Install its package again.")
        return np.ascontiguousarray(stored[..., ::-1], np.float32) / np.float32(255)


PHOTOS = {
    "astronaut": Photo(
        key="astronaut",
        person="Eileen Collins",
        origin="NASA Great Images, public domain; in scikit-image as astronaut.png",
        package="skimage.data",
        member="astronaut.png",
        face=(224.0, 123.0),
        face_width=92.5,
        aim=(254.0, 122.0),
        zoom=2.75,
        margin=40,
        lamps=((333.0, 44.0, 7.0, 20.0), (346.0, 86.0, 5.0, 9.0), (318.0, 112.0, 4.0, 6.0)),
    ),
    "hopper": Photo(
        key="hopper",
        person="Grace Hopper",
        origin="United States Navy portrait, public domain; in matplotlib as grace_hopper.jpg",
        package="matplotlib",
        member="mpl-data/sample_data/grace_hopper.jpg",
        face=(265.0, 232.0),
        face_width=190.0,
        aim=(252.0, 204.0),
        zoom=1.56,
        margin=180,
        lamps=((496.0, 27.0, 14.0, 20.0), (462.0, 96.0, 9.0, 9.0), (430.0, 150.0, 7.0, 6.0)),
    ),
}


class Scene(NamedTuple):
    """What the camera looks at. Arrays are DETAIL times as fine as the photo, and wider by its margin.

    light: (h, w, 3) float32, scene-linear Rec.709. depth: (h, w, 1) float32, metres from the camera.
    photo_to_scene: (2, 3) float64, photo pixels to pixels of these arrays.
    """

    light: Float32
    depth: Float32
    photo_to_scene: NDArray[np.float64]


def build_scene(photo: Photo) -> Scene:
    """The scene of a photo: extended beyond its borders, enlarged, taken to linear light, lit by lamps behind."""
    pixels = photo.pixels()
    person = _person(pixels, photo)
    seen = _enlarged(_extended(pixels, person, photo.margin))
    light = _light_of_print(np.clip(seen, 0, 1, out=seen))
    presence = np.clip(_enlarged(_framed(person, photo.margin, cv2.BORDER_CONSTANT)), 0, 1)[..., None]
    to_scene = np.array([[DETAIL, 0, photo.margin * DETAIL], [0, DETAIL, photo.margin * DETAIL]], np.float64)
    for x, y, radius, strength in photo.lamps:
        _light_lamp(light, presence, to_scene @ (x, y, 1.0), radius * DETAIL, strength)
    # 1.6 m to the person, 4 m to the backdrop.
    return Scene(light, np.float32(4.0) - np.float32(2.4) * presence, to_scene)


def _framed(picture: MatLike, margin: int, border: int) -> Float32:
    return np.asarray(cv2.copyMakeBorder(picture, margin, margin, margin, margin, border), np.float32)


def _extended(pixels: Float32, person: Float32, margin: int) -> Float32:
    """Continue a photo by its mirror image without the person, more out of focus the further from the border."""
    wide = _framed(pixels, margin, cv2.BORDER_REFLECT_101)
    height, width = wide.shape[:2]
    x = np.maximum(margin - np.arange(width), np.arange(width) - (width - 1 - margin)).clip(0)
    y = np.maximum(margin - np.arange(height), np.arange(height) - (height - 1 - margin)).clip(0)
    outside = np.hypot(*np.meshgrid(x, y)).astype(np.float32)[..., None]
    # The hair that the person's matte misses must not be mirrored either.
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (31, 31))
    mirrored = _framed(cv2.dilate(person, reach), margin, cv2.BORDER_REFLECT_101)[..., None]
    mirrored *= np.clip(outside / 8, 0, 1)
    wide += mirrored * (_backdrop(wide, 1 - mirrored) - wide)
    for blur in (2.0, 5.0, 10.0):
        wide += np.clip(outside / np.float32(9 * blur), 0, 1) * (_blurred(wide, blur) - wide)
    return wide


def _backdrop(picture: Float32, weight: Float32) -> Float32:
    """Averages of what surrounds each pixel, by `weight` (h, w, 1), from as near as there is anything."""
    backdrop, known = np.zeros_like(picture), np.zeros_like(weight)
    for blur in (6.0, 24.0, 96.0):
        share = _blurred(weight, blur)
        fresh = np.clip(share * 4, 0, 1) * (1 - known)
        backdrop += fresh * _blurred(picture * weight, blur) / np.maximum(share, np.float32(1e-4))
        known += fresh
    backdrop /= np.maximum(known, np.float32(1e-4))
    return backdrop


def _blurred(picture: MatLike, sigma: float) -> Float32:
    blurred = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float32).reshape(picture.shape)


def _enlarged(picture: Float32) -> Float32:
    """DETAIL times the size by Lanczos, then sharpened by what the photo's own pixels had blurred."""
    size = (picture.shape[1] * DETAIL, picture.shape[0] * DETAIL)
    large = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4), np.float32)
    large += np.float32(0.5) * (large - _blurred(large, 0.6 * DETAIL))
    return large


def _light_of_print(seen: Float32) -> Float32:
    """Scene-linear light of a photo (h, w, 3), sRGB [0, 1]: the print's shoulder undone by brightness, keeping hue.

    Channel by channel, skin whose red is almost white would turn into a red lamp.
    """
    brightness = np.repeat(seen.mean(2, keepdims=True), 3, axis=2)
    gain = unview(brightness, PRINT) / np.maximum(unview(brightness, PLAIN), 1e-4)
    return np.asarray(unview(seen, PLAIN) * gain, np.float32)


def _person(pixels: Float32, photo: Photo) -> Float32:
    """Where the person stands (h, w) in [0, 1]: GrabCut from a bust drawn round the face (Rother et al. 2004)."""
    height, width = pixels.shape[:2]
    (x, y), unit = photo.face, photo.face_width
    guess = np.full((height, width), cv2.GC_BGD, np.uint8)
    top = int(y - 0.5 * unit)
    cv2.ellipse(guess, (int(x), top), (int(1.1 * unit), int(0.9 * unit)), 0, 0, 360, cv2.GC_PR_FGD, -1)
    cv2.ellipse(guess, (int(x), height), (int(1.7 * unit), int(height - y - 0.4 * unit)), 0, 0, 360, cv2.GC_PR_FGD, -1)
    cv2.ellipse(guess, (int(x), int(y)), (int(0.45 * unit), int(0.6 * unit)), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.ellipse(guess, (int(x), height), (int(0.8 * unit), int(height - y - unit)), 0, 0, 360, cv2.GC_FGD, -1)
    shoulders = (int(x), int(y + 1.1 * unit))
    cv2.ellipse(guess, shoulders, (int(0.9 * unit), int(0.5 * unit)), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.setRNGSeed(1)
    bgr = np.round(pixels[..., ::-1] * 255).astype(np.uint8)
    cv2.grabCut(bgr, guess, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    outlines, _ = cv2.findContours(cv2.medianBlur(inside, 5), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = cv2.drawContours(np.zeros((height, width), np.float32), [max(outlines, key=len)], 0, 1.0, -1)
    return _blurred(whole, 1.0)


def _light_lamp(light: Float32, presence: Float32, centre: NDArray[np.float64], radius: float, strength: float) -> None:
    """Add a warm lamp out of focus behind the person, and its glow in the lens. Lengths are scene pixels."""
    rows, columns = np.ogrid[: light.shape[0], : light.shape[1]]
    distance = np.hypot(columns + 0.5 - centre[0], rows + 0.5 - centre[1]).astype(np.float32) / np.float32(radius)
    # A soft-edged disc with a bright core, and the wide tail of the glow, which lies in front of everything.
    disc = np.clip((1 - distance) * 4, 0, 1) * (np.float32(0.25) + np.float32(0.75) * np.exp(-4 * distance**2))
    glow = np.float32(0.02) / (1 + (distance / 2) ** 2) ** 2
    shine = np.float32(strength) * (disc * (1 - presence[..., 0]) + glow)
    light += shine[..., None] * np.array([1.0, 0.55, 0.22], np.float32)
