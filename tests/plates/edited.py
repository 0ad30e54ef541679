"""Plates of every kind, an edit of one, and what must hold of both files as other readers than the engine see them."""

import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO
import pytest
from numpy.typing import NDArray

from engine.geometry import Box
from engine.plates import Plate, write_frame
from engine.plates.edit import write_edited
from engine.plates.splice import ExrFile, Window
from engine.plates.write import WINDOW
from engine.shot import Chunks, LayersIn
from tests.plates.exr_blocks import Header, headers_of, take_apart

Pixels = NDArray[Any]

# All that the installed library knows; LJ2K and Zstandard came with 3.5.
COMPRESSIONS = {
    name.removesuffix("_COMPRESSION").lower(): compression
    for name, compression in OpenEXR.Compression.__members__.items()
    if name.endswith("_COMPRESSION")
}
LOSSY = {"half": {"b44", "b44a", "dwaa", "dwab", "lj2k"}}
LOSSY["mixed"] = LOSSY["float"] = LOSSY["half"] | {"pxr24"}
_BITS = {2: np.uint16, 4: np.uint32}
_NOTE = "1 – µ"


def random_bits(rng: np.random.Generator, shape: tuple[int, int], dtype: Any) -> Pixels:
    """Samples of every kind: denormals, infinities, NaN payloads, minus zero."""
    bits = _BITS[np.dtype(dtype).itemsize]
    return rng.integers(0, np.iinfo(bits).max, shape, bits, endpoint=True).view(dtype)


def channels_of(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> dict[str, Pixels]:
    """A picture that a lossy compression does not spoil, with alpha; `mixed` has depth and numbers of any bits too."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    dtype = np.float32 if kind == "float" else np.float16
    channels = {
        name: (0.5 + 0.3 * np.sin(x / 9 + phase) * np.cos(y / 13) + rng.normal(0, 0.002, shape)).astype(dtype)
        for phase, name in enumerate("RGBA")
    }
    if kind == "mixed":
        channels |= {name: random_bits(rng, shape, dtype) for name, dtype in (("Z", np.float32), ("id", np.uint32))}
    return channels


def write_plate(
    path: Path,
    channels: Mapping[str, Pixels],
    compression: str = "zip",
    origin: tuple[int, int] = (0, 0),
    tiles: tuple[int, int] | None = None,
    linear: str = "",
    **header: Any,
) -> None:
    """Write a plate of one part with the OpenEXR module; `linear` are the names of perceptually linear channels."""
    OpenEXR.File([part_of(channels, compression, origin, tiles, linear, **header)]).write(str(path))


def part_of(
    channels: Mapping[str, Pixels],
    compression: str = "zip",
    origin: tuple[int, int] = (0, 0),
    tiles: tuple[int, int] | None = None,
    linear: str = "",
    name: str = "",
    **header: Any,
) -> OpenEXR.Part:
    """A part for the OpenEXR module."""
    height, width = next(iter(channels.values())).shape
    first = np.array(origin, np.int32)
    attributes: dict[str, Any] = {
        "compression": COMPRESSIONS[compression],
        "dataWindow": (first, first + np.array([width - 1, height - 1], np.int32)),
        "displayWindow": (np.array([0, 0], np.int32), np.array([width - 1, height - 1], np.int32)),
        "type": OpenEXR.scanlineimage,
    }
    if tiles is not None:
        attributes |= {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
        attributes["tiles"].xSize, attributes["tiles"].ySize = tiles
    own = {key: OpenEXR.Channel(key, values, 1, 1, key in linear) for key, values in channels.items()}
    return OpenEXR.Part(attributes | header, own, name)


@dataclass(slots=True)
class Edit:
    """An edit that was made: `new` are the samples that `box` got, in the file's coordinates, by channel of `part`."""

    source: Path
    target: Path
    part: int
    box: Box
    new: dict[str, Pixels]
    added: dict[str, object] = field(default_factory=dict)
    note: str = ""


def edit_frame(
    source: Path,
    target: Path,
    box: Box,
    rng: np.random.Generator,
    chunks: Chunks = "auto",
    layers_in: LayersIn | None = None,
) -> Edit:
    """Change the picture in `box` (file's coordinates) as a job does: read what is wanted, edit it, write the frame."""
    plate = Plate.open(source)
    x0, y0 = struct.unpack_from("<2i", headers_of(source)[0]["displayWindow"][1])
    here = box.moved(-x0, -y0)
    frame = plate.read(plate.frames[0], reach=lambda data_window: here.intersect(data_window))
    assert frame.source is not None
    new: dict[str, Pixels] = {}
    if not here.empty:
        for name in frame.picture:
            plane = frame.channels[name][here.slices(frame.loaded)]
            new[name] = new_samples(rng, plane)
            plane[...] = new[name]
    frame.changes_in(here)
    frame.attributes["faceplate:a note whose name is longer than 31 characters"] = _NOTE
    if layers_in is not None:
        shape = here.height, here.width
        frame.add_layer("matte.V", here, np.ones(shape, np.float32))
    written = write_frame(frame, target, chunks=chunks, layers_in=layers_in or "file")
    added = dict(frame.attributes) | ({} if box.empty else {WINDOW: box})
    assert written.in_place
    return Edit(source, target, frame.source.window.part, box, new, added, written.note)


def edit_part(
    source: Path, target: Path, box: Box, rng: np.random.Generator, chunks: Chunks, reach: Box | None = None
) -> Edit:
    """Change every channel in the box, of a window that may reach further, without a frame, which needs a picture."""
    file = ExrFile(source)
    window = file.read(0, box if reach is None else reach)
    new = {}
    for channel in file.layout.parts[0].channels:
        across, down = channel.sampling
        y, x = -(-window.box.y0 // down), -(-window.box.x0 // across)
        rows = slice(-(-box.y0 // down) - y, -(-box.y1 // down) - y)
        plane = window.planes[channel.name][rows, -(-box.x0 // across) - x : -(-box.x1 // across) - x]
        if not box.empty:
            plane[...] = new[channel.name] = new_samples(rng, plane)
    write_edited(file, target, window, box, {"note": "edited"}, chunks)
    return Edit(source, target, 0, box, new, {"note": "edited"})


def new_samples(rng: np.random.Generator, plane: Pixels) -> Pixels:
    """Other samples of the same type, near enough to a picture for any compression."""
    if plane.dtype == np.uint32:
        return rng.integers(0, 2**32, plane.shape, np.uint32)
    return (0.2 + 0.5 * rng.random(plane.shape)).astype(plane.dtype)


def open_window(source: Path, part: int, box: Box) -> tuple[ExrFile, Window]:
    file = ExrFile(source)
    return file, file.read(part, box)


def assert_only_the_box_changed(edit: Edit, exact: bool = True) -> None:
    """Compare both files block by block and sample by sample; without `exact`, touched blocks are only near."""
    assert edit.note == ""
    old, new = take_apart(edit.source), take_apart(edit.target)
    touched = old[edit.part].touched(edit.box.x0, edit.box.y0, edit.box.x1, edit.box.y1)
    for number, part in enumerate(old):
        same = [index for index in range(part.count) if number != edit.part or index not in touched]
        assert [new[number].blocks[index] for index in same] == [part.blocks[index] for index in same]
        assert_header(new[number].header, part.header, edit.added if number == edit.part else {})
    before, after = decoded(edit.source), decoded(edit.target)
    for number, channels in enumerate(before):
        assert after[number].keys() == channels.keys()
        if number != edit.part:
            assert all(same_bits(after[number][name], channels[name]) for name in channels)
            continue
        for name, pixels in channels.items():
            place = _place(edit, pixels.shape, name)
            expected = pixels.copy()
            if name in edit.new:
                expected[place] = edit.new[name]
            if exact:
                assert same_bits(after[number][name], expected), name
            elif name in edit.new:
                assert np.allclose(after[number][name][place], expected[place], rtol=0.1, atol=0.1), name


def assert_header(new: Header, old: Header, added: Mapping[str, object]) -> None:
    """All that was there is as it was, and `added` is there besides; nothing else but what a file of parts needs."""
    assert {name: new[name] for name in old if name not in added} == {
        name: value for name, value in old.items() if name not in added
    }
    for name, value in added.items():
        if isinstance(value, Box):
            assert new[name] == ("box2i", struct.pack("<4i", value.x0, value.y0, value.x1 - 1, value.y1 - 1))
        else:
            assert new[name] == ("string", str(value).encode())
    assert new.keys() - old.keys() - added.keys() <= {"name", "type", "chunkCount"}


def assert_others_read_it(path: Path) -> None:
    """OpenImageIO sees the same samples as the OpenEXR module; whole numbers, which it scales, are only read."""
    source = OpenImageIO.ImageInput.open(str(path))
    assert source is not None, OpenImageIO.geterror()
    for number, channels in enumerate(decoded(path)):
        assert source.seek_subimage(number, 0)
        spec = source.spec_dimensions(number)
        pixels = source.read_image(number, 0, 0, spec.nchannels, OpenImageIO.FLOAT)
        assert pixels is not None, source.geterror()
        for index, name in enumerate(source.spec().channelnames):
            if channels[name].dtype.kind == "f":
                assert np.array_equal(pixels[..., index], channels[name].astype(np.float32), equal_nan=True), name


def assert_a_tool_reads(command: str, paths: Sequence[Path]) -> None:
    """Run another project's program on files; skips where it is not installed."""
    tool, *options = command.split()
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    result = subprocess.run([tool, *options, *map(str, paths)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert not any(word in (result.stdout + result.stderr).lower() for word in ("error", "invalid", "corrupt"))
    assert all(str(path) in result.stdout for path in paths)


def decoded(path: Path) -> list[dict[str, Pixels]]:
    """The samples of every part as the OpenEXR module decodes them; none of a deep one."""
    parts = OpenEXR.File(str(path), separate_channels=True).parts
    flat = [{} if part.type() in (OpenEXR.deepscanline, OpenEXR.deeptile) else part.channels for part in parts]
    return [{name: channel.pixels for name, channel in channels.items()} for channels in flat]


def same_bits(first: Pixels, second: Pixels) -> bool:
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


def _place(edit: Edit, shape: tuple[int, ...], name: str) -> tuple[slice, slice]:
    """The samples of a channel that lie in the box: those of a subsampled one stand where its steps divide."""
    x0, y0, x1, y1 = take_apart(edit.source)[edit.part].window
    down, across = (y1 + 1 - y0) // shape[0], (x1 + 1 - x0) // shape[1]
    rows = slice(-(-edit.box.y0 // down) - y0 // down, -(-edit.box.y1 // down) - y0 // down)
    return rows, slice(-(-edit.box.x0 // across) - x0 // across, -(-edit.box.x1 // across) - x0 // across)
