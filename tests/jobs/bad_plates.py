"""Files that are no plate, or a damaged one, each made by a few lines."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO

from tests.plates.exr_blocks import head_of, put_together, table_of, take_apart

Make = Callable[[Path], object]
Damage = Callable[[bytes], bytes]

STILLS = (".png", ".tif", ".jpg", ".dpx")


def write_exr(path: Path, names: str = "RGBA", dtype: type[np.generic] = np.float16, compression: str = "ZIP") -> None:
    """A small frame of noise."""
    noise = np.random.default_rng(5).random((61, 85)) * 3.0
    header = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {name: noise.astype(dtype) for name in names}).write(str(path))


def write_still(path: Path, pixels: np.ndarray | None = None, **attributes: object) -> None:
    """A small picture of noise in eight bits, of the kind that the name says."""
    if pixels is None:
        pixels = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], str(pixels.dtype))
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output is not None and output.open(str(path), spec) and output.write_image(pixels) and output.close()


def bad_exrs() -> dict[str, Make]:
    """By what is wrong with each; none of them can be a plate with a face."""
    cut = {f"the first {part:.0%}": _damaged(_first(part)) for part in (0.0, 0.01, 0.05, 0.2, 0.6, 0.99)}
    flipped = {f"flipped at {part:.0%}": _damaged(_flipped(part)) for part in (0.02, 0.1, 0.3, 0.6, 0.95)}
    lengths = {f"a block of {length} bytes": _with_block_of(length) for length in (0, 1, 10**9, -1)}
    offsets = {f"a table of {offset}": _with_offsets(offset) for offset in (0, 8, 2**40, 2**64 - 1)}
    headers = {
        f"{name} {how}": _without(name, how)
        for name in ("channels", "compression", "dataWindow", "displayWindow")
        for how in ("missing", "of another type", "too short")
    }
    windows = {f"a window of {size}": _with_window(size) for size in (-1, 0, 2**31 - 1)}
    kinds: dict[str, Make] = {
        "one pixel": lambda path: OpenEXR.File({}, dict.fromkeys("RGB", np.ones((1, 1), np.float16))).write(str(path)),
        "not a number": lambda path: OpenEXR.File(
            {}, dict.fromkeys("RGB", np.full((90, 70), np.nan, np.float32))
        ).write(str(path)),
        "infinite": lambda path: OpenEXR.File({}, dict.fromkeys("RGB", np.full((90, 70), np.inf, np.float16))).write(
            str(path)
        ),
        "no colours": lambda path: write_exr(path, "Z"),
        "whole numbers": lambda path: write_exr(path, "RGB", np.uint32),
        "a PNG": lambda path: _renamed(path, ".png"),
    }
    return cut | flipped | lengths | offsets | headers | windows | kinds | _no_files()


def bad_stills(suffix: str) -> dict[str, Make]:
    """As `bad_exrs`, of one kind of still."""

    def cut(part: float) -> Make:
        def make(path: Path) -> None:
            write_still(path)
            path.write_bytes(_first(part)(path.read_bytes()))

        return make

    def flipped(path: Path) -> None:
        write_still(path)
        path.write_bytes(_flipped(0.02)(path.read_bytes()))

    kinds = {f"the first {part:.0%}": cut(part) for part in (0.0, 0.01, 0.3, 0.6, 0.9)}
    kinds |= {"flipped in its header": flipped, "an EXR": _exr_called, "one pixel": _one_pixel}
    if suffix == ".dpx":
        density = {"oiio__BitsPerSample": 10, "oiio__ColorSpace": "KodakLog"}
        kinds["film density"] = lambda path: write_still(path, np.full((8, 8, 3), 9, np.uint16), **density)
    return kinds | _no_files()


def _no_files() -> dict[str, Make]:
    return {
        "text": lambda path: path.write_text("hello"),
        "a folder": lambda path: path.mkdir(),
        "a link to nothing": lambda path: path.symlink_to("nothing"),
        "a link to itself": lambda path: path.symlink_to(path.name),
        "a pipe": os.mkfifo,
        "not there": lambda path: None,
    }


def _damaged(damage: Damage) -> Make:
    def make(path: Path) -> None:
        write_exr(path)
        path.write_bytes(damage(path.read_bytes()))

    return make


def _first(part: float) -> Damage:
    return lambda data: data[: int(len(data) * part)]


def _flipped(part: float) -> Damage:
    def flip(data: bytes) -> bytes:
        at = int(len(data) * part)
        return data[:at] + bytes(value ^ 0x55 for value in data[at : at + 9]) + data[at + 9 :]

    return flip


def _with_block_of(length: int) -> Make:
    def make(path: Path) -> None:
        write_exr(path)
        (part,) = parts = take_apart(path)
        part.blocks[1] = part.blocks[1][:4] + struct.pack("<i", length) + part.blocks[1][8:]
        put_together(path, parts)

    return make


def _with_offsets(offset: int) -> Make:
    def make(path: Path) -> None:
        write_exr(path)
        start, count = table_of(path)
        data = path.read_bytes()
        path.write_bytes(data[:start] + struct.pack("<Q", offset) * count + data[start + 8 * count :])

    return make


def _without(name: str, how: str) -> Make:
    def make(path: Path) -> None:
        write_exr(path)
        (part,) = parts = take_apart(path)
        kind, value = part.header.pop(name)
        if how != "missing":
            part.header[name] = ("string", value) if how == "of another type" else (kind, value[:-1])
        path.write_bytes(head_of(parts) + bytes(8 * len(part.blocks)) + b"".join(part.blocks))

    return make


def _with_window(size: int) -> Make:
    def make(path: Path) -> None:
        write_exr(path)
        (part,) = parts = take_apart(path)
        for name in ("dataWindow", "displayWindow"):
            part.header[name] = ("box2i", struct.pack("<4i", 0, 0, size, size))
        path.write_bytes(head_of(parts) + bytes(8 * len(part.blocks)) + b"".join(part.blocks))

    return make


def _renamed(path: Path, suffix: str) -> None:
    write_still(path.with_suffix(suffix))
    path.with_suffix(suffix).rename(path)


def _exr_called(path: Path) -> None:
    write_exr(path.with_suffix(".exr"))
    path.with_suffix(".exr").rename(path)


def _one_pixel(path: Path) -> None:
    write_still(path, np.full((1, 1, 3), 9, np.uint8))
