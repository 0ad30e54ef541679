"""How much of each region is replaced: the shares of the regions lie where the mesh has them, and fade smoothly."""

import numpy as np
import pytest

from engine.models.catalogue import canonical_mesh
from engine.shot import Strengths
from engine.swappers.atlas import RESOLUTION
from engine.swappers.strengths import FADE, shares, strength_of

# Vertices of the canonical mesh in the middle of each region.
MIDDLES = {
    "brows": (52, 282), "eyes": (159, 386), "nose": (4, 195, 1), "lips": (11, 16), "mouth": (13, 14),
    "skin": (50, 280, 151, 199),
}  # fmt: skip


def at(vertices: tuple[int, ...]) -> np.ndarray:
    return np.ascontiguousarray(canonical_mesh().uv[list(vertices)][None], np.float32)


@pytest.mark.parametrize("region", list(MIDDLES))
def test_a_region_lies_where_the_mesh_has_it_and_no_other_does(region: str) -> None:
    for name, vertices in MIDDLES.items():
        found = strength_of(at(vertices), Strengths(**{region: 0.25}))
        expected = 0.25 if name == region else 1.0
        # The lips are close to the closed mouth.
        np.testing.assert_allclose(found, expected, atol=0.02 if {name, region} != {"lips", "mouth"} else 0.1)


def test_shares_add_up_and_fade_over_their_width() -> None:
    whole = sum(shares().values())
    np.testing.assert_allclose(whole, 1.0, atol=1e-6)
    for name, fade in {**FADE, "skin": FADE["eyes"]}.items():
        share = shares()[name]
        assert share.max() == 1.0 and share.min() == 0.0, name
        # A smooth step over a width is nowhere steeper than one and a half of its mean; where two meet, they add up.
        steepest = max(np.abs(np.diff(share, axis=axis)).max() for axis in (0, 1)) * RESOLUTION
        beside = {"lips": 1.5 / FADE["mouth"], "nose": 1.5 / FADE["eyes"]}.get(name, 0.0)
        assert steepest <= 1.02 * (1.5 / fade + beside), name


def test_all_at_one_strength_is_that_everywhere() -> None:
    half = Strengths(skin=0.5, brows=0.5, eyes=0.5, nose=0.5, lips=0.5, mouth=0.5)
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64)), axis=2).astype(np.float32)
    np.testing.assert_allclose(strength_of(grid, half), 0.5, atol=1e-6)


def test_off_the_mesh_it_is_the_skins() -> None:
    nowhere = np.full((2, 3, 2), np.nan, np.float32)
    np.testing.assert_array_equal(strength_of(nowhere, Strengths(skin=0.75, nose=0.0)), np.float32(0.75))
