"""What hosts do with a recipe."""

import msgspec

from engine import recipe
from engine.shot import ArtistMatte, Key, Matte, Mesh, Shot
from engine.wire.recipe import without_frames


def test_for_another_plate_what_belongs_to_the_frames_of_the_first_is_left_out() -> None:
    key = Key(setting="match.amount", frame=1001, value=0.5)
    matte = Matte(holdout="hands.%04d.exr", feather=0.2)
    drawn = ArtistMatte(path="drawn.%04d.exr")
    shot = Shot(tracks="a.tracks", key=(key,), mattes=(drawn,), matte=matte, mesh=Mesh(shape=0.5))
    left = recipe.parse(without_frames(msgspec.to_builtins(shot)))
    assert left == Shot(matte=Matte(feather=0.2), mesh=Mesh(shape=0.5))
