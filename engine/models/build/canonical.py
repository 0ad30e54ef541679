"""MediaPipe's canonical face mesh, from its protobuf (`face_geometry.GeometryPipelineMetadata`) to NumPy's format."""

import io
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

# The outlines of MediaPipe's face_mesh_connections, each as one ring in order. Right and left are the person's own.
_OVAL = (
    *(176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10, 338),
    *(297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148),
)
_RIGHT_EYE = (154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 33, 7, 163, 144, 145, 153)
_LEFT_EYE = (374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373)
_INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
_OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)

_VERTICES = 468
# Field numbers of the messages.
_CANONICAL_MESH, _PROCRUSTES_BASIS = 1, 2
_VERTEX_BUFFER, _INDEX_BUFFER = 3, 4
_LANDMARK, _WEIGHT = 1, 2


def make_canonical_mesh(content: bytes) -> bytes:
    """The .npz file with the fields of `catalogue.CanonicalMesh`."""
    metadata = _read(content)
    mesh = _read(metadata.chunks[_CANONICAL_MESH][0])
    # Each vertex is x, y, z, u, v.
    vertices = np.frombuffer(b"".join(mesh.chunks[_VERTEX_BUFFER]), "<f4").reshape(_VERTICES, 5)
    triangles = np.array(mesh.integers[_INDEX_BUFFER], np.int32).reshape(-1, 3)
    weights = np.zeros(_VERTICES, np.float32)
    for reference in map(_read, metadata.chunks[_PROCRUSTES_BASIS]):
        weights[reference.integers[_LANDMARK]] = np.frombuffer(reference.chunks[_WEIGHT][0], "<f4")
    fields: dict[str, Any] = {
        "vertices": vertices[:, :3],
        "uv": vertices[:, 3:],
        "triangles": triangles,
        "procrustes_weights": weights,
        "oval": np.array(_OVAL, np.int32),
        "lips": np.array(sorted(_OUTER_LIPS + _INNER_LIPS), np.int32),
        "right_eye": np.array(_RIGHT_EYE, np.int32),
        "left_eye": np.array(_LEFT_EYE, np.int32),
        "inner_lips": np.array(_INNER_LIPS, np.int32),
    }
    stream = io.BytesIO()
    np.savez(stream, **fields)
    return stream.getvalue()


class _Message(NamedTuple):
    """The fields of a protobuf message by number: integers decoded, floats, strings and messages as their bytes."""

    integers: defaultdict[int, list[int]]
    chunks: defaultdict[int, list[bytes]]


def _read(content: bytes) -> _Message:
    message = _Message(defaultdict(list), defaultdict(list))
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        field, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(content, position)
            message.integers[field].append(value)
            continue
        if wire_type == 2:
            length, position = _varint(content, position)
        elif wire_type == 5:
            length = 4
        else:
            raise ValueError(f"a protobuf field of wire type {wire_type} has no place in a face mesh")
        message.chunks[field].append(content[position : position + length])
        position += length
    return message


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
