"""Cryptomatte by name: coverages that are known come back, from files that this test writes by the specification."""

import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest

from engine.errors import MatteError
from engine.geometry import Box
from engine.plates.cryptomatte import name_id
from engine.plates.matte_frames import MatteFrames, Wanted

SIZE = 24
WINDOW = Box(0, 0, SIZE, SIZE)
NAMES = ("Head", "Hand", "hair/strand é", "mic")


def murmur(data: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0, written out from its public-domain description."""
    mask, h = 0xFFFFFFFF, 0
    for index in range(0, len(data) - len(data) % 4, 4):
        (k,) = struct.unpack_from("<I", data, index)
        k = k * 0xCC9E2D51 & mask
        k = (k << 15 | k >> 17) & mask
        h ^= k * 0x1B873593 & mask
        h = ((h << 13 | h >> 19) & mask) * 5 + 0xE6546B64 & mask
    tail = data[len(data) - len(data) % 4 :]
    if tail:
        k = int.from_bytes(tail, "little") * 0xCC9E2D51 & mask
        k = (k << 15 | k >> 17) & mask
        h ^= k * 0x1B873593 & mask
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & mask
    h = (h ^ h >> 13) * 0xC2B2AE35 & mask
    return h ^ h >> 16


def float_of(name: str) -> np.float32:
    """By the rule of the specification: no exponent of only zeros or only ones."""
    bits = murmur(name.encode())
    if (bits >> 23) & 255 in (0, 255):
        bits ^= 1 << 23
    return np.frombuffer(struct.pack("<I", bits), np.float32)[0]


def known_coverage() -> dict[str, np.ndarray]:
    """Four objects whose edges share pixels; they cover at most the whole of each."""
    shares = np.random.default_rng(0).dirichlet(np.full(len(NAMES) + 1, 0.4), (SIZE, SIZE)).astype(np.float32)
    shares[shares < 0.02] = 0.0
    return {name: shares[..., index] for index, name in enumerate(NAMES)}


def ranked(coverage: dict[str, np.ndarray], layer: str, letters: str = "rgba") -> dict[str, np.ndarray]:
    stack = np.stack(list(coverage.values()), axis=2)
    order = np.argsort(-stack, axis=2, kind="stable")
    ids = np.array([float_of(name) for name in coverage], np.float32)
    channels: dict[str, np.ndarray] = {}
    for rank in range(stack.shape[2]):
        covered = np.take_along_axis(stack, order[..., rank : rank + 1], 2)[..., 0]
        own = np.where(covered > 0, ids[order[..., rank]], np.float32(0.0))
        for letter, values in zip(letters[rank % 2 * 2 :], (own, covered), strict=False):
            channels[f"{layer}{rank // 2:02d}.{letter}"] = np.ascontiguousarray(values, np.float32)
    return channels


def metadata(layer: str, key: str = "0a1b2c3", names: tuple[str, ...] = NAMES, **more: str) -> dict[str, str]:
    manifest = {name: f"{int(float_of(name).view(np.uint32)):08x}" for name in names}
    entries = {"name": layer, "hash": "MurmurHash3_32", "conversion": "uint32_to_float32"}
    entries |= {"manifest": json.dumps(manifest, ensure_ascii=False)} | more
    return {f"cryptomatte/{key}/{entry}": value for entry, value in entries.items() if value}


def write(path: Path, channels: dict[str, np.ndarray], header: dict[str, Any]) -> Path:
    rgb = {name: np.zeros((SIZE, SIZE), np.float16) for name in "RGB"}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION} | header, rgb | channels).write(str(path))
    return path


def matte(path: Path, names: str, layer: str = "") -> np.ndarray:
    return MatteFrames(str(path), Wanted(layer, names)).read(1, WINDOW, WINDOW, WINDOW)


COVERAGE = known_coverage()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return write(tmp_path / "a.exr", ranked(COVERAGE, "CryptoObject"), metadata("CryptoObject"))


def test_names_are_hashed_as_the_specification_says() -> None:
    odd = [name for name in map(str, range(4000)) if murmur(name.encode()) >> 23 & 255 in (0, 255)]
    assert len(odd) > 5
    for name in (*NAMES, *odd, "", "a", "ab", "abc"):
        assert name_id(name) == int(float_of(name).view(np.uint32)), name
        assert np.isfinite(np.uint32(name_id(name)).view(np.float32))
    # A published example: the hash of "hello" with seed 0.
    assert murmur(b"hello") == 0x248BFA47 == name_id("hello")


@pytest.mark.parametrize("name", NAMES)
def test_each_name_has_its_coverage(picture: Path, name: str) -> None:
    assert COVERAGE[name].max() > 0.9 and (COVERAGE[name] > 0).any()
    np.testing.assert_array_equal(matte(picture, name), COVERAGE[name])


def test_several_names_are_together(picture: Path) -> None:
    both = np.minimum(COVERAGE["Head"] + COVERAGE["mic"], 1.0)
    np.testing.assert_allclose(matte(picture, " Head, mic "), both, atol=1e-6)


@pytest.mark.parametrize("letters", ["rgba", "RGBA", ("red", "green", "blue", "alpha")])
def test_channels_by_any_of_their_names(tmp_path: Path, letters: Any) -> None:
    path = write(tmp_path / "a.exr", ranked(COVERAGE, "View.Crypto", letters), metadata("View.Crypto"))
    np.testing.assert_array_equal(matte(path, "Hand"), COVERAGE["Hand"])


def test_levels_in_parts_of_their_own(tmp_path: Path) -> None:
    channels = ranked(COVERAGE, "crypto")
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    parts = [OpenEXR.Part(dict(header), {name: np.zeros((SIZE, SIZE), np.float16) for name in "RGB"}, "beauty")]
    for level in ("00", "01"):
        own = {name[-1]: values for name, values in channels.items() if name.startswith(f"crypto{level}")}
        parts.append(OpenEXR.Part(header | metadata("crypto"), own, f"crypto{level}"))
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    for name in NAMES:
        np.testing.assert_array_equal(matte(tmp_path / "a.exr", name), COVERAGE[name])


def test_the_layer_that_has_the_name(tmp_path: Path) -> None:
    materials = {"skin": COVERAGE["Head"], "wool": COVERAGE["Hand"]}
    channels = ranked(COVERAGE, "CryptoObject") | ranked(materials, "CryptoMaterial")
    header = metadata("CryptoObject") | metadata("CryptoMaterial", "1234567", ("skin", "wool"))
    path = write(tmp_path / "a.exr", channels, header)
    np.testing.assert_array_equal(matte(path, "wool"), COVERAGE["Hand"])
    np.testing.assert_array_equal(matte(path, "mic"), COVERAGE["mic"])
    np.testing.assert_array_equal(matte(path, "skin", "CryptoMaterial"), COVERAGE["Head"])
    with pytest.raises(MatteError, match="it has wool, skin"):
        matte(path, "wol", "CryptoMaterial")
    with pytest.raises(MatteError, match="it has CryptoObject, CryptoMaterial"):
        matte(path, "wool", "CryptoAsset")


def test_a_name_that_is_not_there_is_answered_by_those_that_are_like_it(picture: Path) -> None:
    with pytest.raises(MatteError, match=r"no `Haed`; it has Head, ") as caught:
        matte(picture, "Haed")
    assert caught.value.remedy


def test_without_a_list_of_names_the_hash_decides(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", ranked(COVERAGE, "crypto"), metadata("crypto", manifest=""))
    np.testing.assert_array_equal(matte(path, "mic"), COVERAGE["mic"])
    assert not matte(path, "nobody").any()
    two = metadata("crypto", manifest="") | metadata("other", "7654321", manifest="")
    path = write(tmp_path / "b.exr", ranked(COVERAGE, "crypto"), two)
    with pytest.raises(MatteError, match="several"):
        matte(path, "mic")
    np.testing.assert_array_equal(matte(path, "mic", "crypto"), COVERAGE["mic"])


def test_a_list_of_names_in_a_file_beside_it(tmp_path: Path) -> None:
    header = metadata("crypto")
    (tmp_path / "names.json").write_text(header["cryptomatte/0a1b2c3/manifest"], encoding="utf-8")
    path = write(
        tmp_path / "a.exr", ranked(COVERAGE, "crypto"), metadata("crypto", manifest="", manif_file="names.json")
    )
    np.testing.assert_array_equal(matte(path, "mic"), COVERAGE["mic"])
    with pytest.raises(MatteError, match="it has Hand"):
        matte(path, "Hande")


@pytest.mark.parametrize("outside", ["../names.json", "/etc/hostname", "sub/../../names.json"])
def test_a_list_of_names_elsewhere_is_not_opened(tmp_path: Path, outside: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "names.json").write_text("not a list of names")
    path = write(tmp_path / "in/a.exr", ranked(COVERAGE, "crypto"), metadata("crypto", manifest="", manif_file=outside))
    np.testing.assert_array_equal(matte(path, "mic"), COVERAGE["mic"])


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ({}, "holds no Cryptomatte"),
        (metadata("crypto", manifest="{"), "names in the Cryptomatte"),
        (metadata("crypto", manifest='{"mic": "no number"}'), "names in the Cryptomatte"),
        (metadata("crypto", manifest="[" * 90000), "names in the Cryptomatte"),
        (metadata("crypto", hash="SHA"), "hash `SHA`"),
        (metadata("crypto", conversion="uint32_to_uint32"), "conversion `uint32_to_uint32`"),
        (metadata("elsewhere"), "no channels of it"),
        (metadata("crypto") | {"compression": OpenEXR.PXR24_COMPRESSION}, "32 bits without loss"),
        (metadata("crypto") | {"compression": OpenEXR.DWAA_COMPRESSION}, "32 bits without loss"),
    ],
)
def test_what_cannot_be_decoded_says_why(tmp_path: Path, header: dict[str, Any], part: str) -> None:
    path = write(tmp_path / "a.exr", ranked(COVERAGE, "crypto"), header)
    with pytest.raises(MatteError) as caught:
        matte(path, "mic")
    assert part in caught.value.message and caught.value.remedy


def test_ids_in_half_floats_are_gone(tmp_path: Path) -> None:
    with np.errstate(over="ignore"):
        channels = {name: values.astype(np.float16) for name, values in ranked(COVERAGE, "crypto").items()}
    with pytest.raises(MatteError, match="32 bits"):
        matte(write(tmp_path / "a.exr", channels, metadata("crypto")), "mic")


def test_a_still_holds_none(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((SIZE, SIZE), np.uint8))
    with pytest.raises(MatteError, match="OpenEXR"):
        matte(tmp_path / "a.png", "mic")
