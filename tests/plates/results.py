"""Plates, and results of them as they should be and as they should not, for the tests of `verify`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from engine.geometry import Box
from engine.plates import Plate, write_frame
from engine.plates.edit import write_edited
from engine.plates.header import WINDOW, header_bytes
from engine.plates.layout import read_layout
from engine.plates.splice import ExrFile
from engine.plates.verified import FrameVerified

# In the coordinates of the file, whose data window is DATA; the display window's corner is ORIGIN.
DATA = Box(-7, 11, 83, 111)
ORIGIN = (3, 5)
BOX = Box(10, 40, 31, 58)

Change = Callable[[dict[str, np.ndarray]], None]


def write_plate(
    path: Path,
    rng: np.random.Generator,
    compression: str = "ZIP",
    tiles: tuple[int, int] | None = None,
    parts: bool = False,
) -> Path:
    """Write a plate; with `tiles` in those, with `parts` a part of depth before the picture and one of colour after."""
    header = header_of(compression)
    if tiles is not None:
        header |= {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
        header["tiles"].xSize, header["tiles"].ySize = tiles
    beauty = {name: coarse_pixels(rng, np.float16) for name in "RGBA"} | {"Z": coarse_pixels(rng, np.float32)}
    beauty |= {"id": rng.integers(0, 9, (DATA.height, DATA.width), dtype=np.uint32)}
    if not parts:
        OpenEXR.File(header, beauty).write(str(path))
        return path
    rest = {
        "depth": {"Z": coarse_pixels(rng, np.float32)},
        "diffuse": {name: coarse_pixels(rng, np.float16) for name in "RGB"},
    }
    made = [OpenEXR.Part(header_of("ZIPS"), rest["depth"], "depth"), OpenEXR.Part(header, beauty, "beauty")]
    OpenEXR.File([*made, OpenEXR.Part(header_of("NO"), rest["diffuse"], "diffuse")]).write(str(path))
    return path


def header_of(compression: str) -> dict[str, Any]:
    """What the module needs to know to write a part of scanlines."""
    window = np.array([DATA.x0, DATA.y0], np.int32), np.array([DATA.x1 - 1, DATA.y1 - 1], np.int32)
    return {
        "compression": getattr(OpenEXR, f"{compression}_COMPRESSION"),
        "type": OpenEXR.scanlineimage,
        "dataWindow": window,
        "displayWindow": (np.array(ORIGIN, np.int32), np.array([99, 119], np.int32)),
        "owner": "Zoë",
    }


def coarse_pixels(rng: np.random.Generator, dtype: Any) -> np.ndarray:
    """Coarse steps: blocks of them are worth compressing."""
    return rng.normal(0.5, 2, (DATA.height, DATA.width)).round(1).astype(dtype)


def swapped(plate: Path, layers: bool = False, changed: bool = True, **options: Any) -> Path:
    """A result as the renderer makes it, with every other pixel of BOX changed."""
    frame = Plate.open(plate).read(1, reach=lambda window: window)
    frame.attributes["faceplate:version"] = "1"
    box = BOX.moved(-ORIGIN[0], -ORIGIN[1])
    frame.changes_in(box if changed else Box(0, 0, 0, 0))
    if changed:
        where = np.indices((box.height, box.width)).sum(0) % 2 == 0
        frame.replace(box, frame.rgb(box) + np.float32(8), where)
    if layers:
        frame.add_layer("matte.V", box, np.ones((box.height, box.width), np.float32))
    out = plate.with_name("out.exr")
    write_frame(frame, out, **options)
    return out


def edited(plate: Path, change: Change, part: int = 0, attributes: Mapping[str, object] | None = None) -> Path:
    """A result of a writer that does what `change` says to the planes of all blocks that hold BOX."""
    source, out = ExrFile(plate), plate.with_name("out.exr")
    window = source.read(part, Box(DATA.x0, BOX.y0, DATA.x1, BOX.y1))
    change(window.planes)
    out.unlink(missing_ok=True)
    write_edited(source, out, window, window.box, {WINDOW: BOX} if attributes is None else attributes)
    return out


def flipped(path: Path, part: int, chunk: int, byte: int = 0) -> Path:
    """One bit of the packed bytes of a block."""
    found = ExrFile(path).table.parts[part][chunk]
    data = bytearray(path.read_bytes())
    data[found.offset + found.lead + byte % found.packed] ^= 1
    out = path.with_name("flipped.exr")
    out.write_bytes(data)
    return out


def with_header(path: Path, change: Callable[[dict[str, tuple[str, bytes]]], Any]) -> Path:
    """A copy of a file of one part whose header is changed; its blocks and their order stay."""
    layout = read_layout(path)
    header = dict(layout.parts[0].attributes)
    change(header)
    head, data = header_bytes([header], layout.version), path.read_bytes()
    count = layout.parts[0].chunk_count
    moved = np.frombuffer(data, "<u8", count, layout.table) + np.uint64(len(head)) - np.uint64(layout.table)
    out = path.with_name("headed.exr")
    out.write_bytes(head + moved.tobytes() + data[layout.table + 8 * count :])
    return out


def fails(verified: FrameVerified) -> FrameVerified:
    """What was found of a frame that must not pass."""
    assert not verified.same
    assert "something else changed" in verified.lines()[0]
    return verified
