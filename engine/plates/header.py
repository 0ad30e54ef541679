"""EXR headers as bytes: the original's attributes as they stand, with a few set, added or taken away."""

import struct
from collections.abc import Iterator, Mapping, Sequence

from engine.geometry import Box
from engine.plates.layout import LONG_NAMES, MAGIC, MULTI_PART, TILED, VERSION, Attributes, parse_channels

# Where a frame was changed, in the file's coordinates: `faceplate verify` proves the rest.
WINDOW = "faceplate:window"
_LONGEST_SHORT = 31


def header_bytes(headers: Sequence[Attributes], version: int) -> bytes:
    """Everything before the chunk table. `version` is the version field; the flag for long names is set as needed."""
    if any(len(name.encode()) > _LONGEST_SHORT for header in headers for name in _names(header)):
        version |= LONG_NAMES
    text = b"".join(_one(header) for header in headers)
    return MAGIC + struct.pack("<I", version) + text + (b"\0" if version & MULTI_PART else b"")


def single_header(header: Attributes, tiled: bool) -> bytes:
    """Everything before the chunk table of a file of one part."""
    return header_bytes([header], VERSION | (TILED if tiled else 0))


def attribute(value: object) -> tuple[str, bytes]:
    """Type and bytes of a value: text, a number, or a Box (half-open here, with its last pixel inside in the file).

    Raises TypeError for anything else, ValueError for a number that is too large.
    """
    try:
        match value:
            case str():
                return "string", value.encode("utf-8")
            case int():
                return "int", struct.pack("<i", value)
            case float():
                return "float", struct.pack("<f", value)
            case Box():
                return "box2i", struct.pack("<4i", value.x0, value.y0, value.x1 - 1, value.y1 - 1)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"an attribute cannot hold {value}") from error
    raise TypeError(f"an attribute cannot hold {type(value).__name__}")


def with_attributes(header: Attributes, added: Mapping[str, object]) -> Attributes:
    """The header with attributes set: those that exist keep their place, the others follow at the end. None removes."""
    kept = {name: value for name, value in header.items() if name not in added or added[name] is not None}
    return kept | {name: attribute(value) for name, value in added.items() if value is not None}


def _names(header: Attributes) -> Iterator[str]:
    """All names that the flag is about: of attributes, of their types, and of channels."""
    for name, (kind, value) in header.items():
        yield from (name, kind)
        if kind == "chlist":
            yield from (channel.name for channel in parse_channels(value))


def _one(header: Attributes) -> bytes:
    parts = []
    for name, (kind, value) in header.items():
        parts += [name.encode(), b"\0", kind.encode(), b"\0", struct.pack("<i", len(value)), value]
    return b"".join(parts) + b"\0"
