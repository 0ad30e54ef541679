"""The identity of the person in one picture, for `like:PHOTO`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import NoFace
from engine.faces.analyse import analyse_picture
from engine.plates.plate import Plate
from kernels.view import make_view, view


def identity_of_photo(path: Path) -> NDArray[np.float32]:
    """The identity (128,) of the largest face in a picture of any kind that a plate may have.

    Raises PlateError when it cannot be read, NoFace when it shows nobody.
    """
    plate = Plate.open(path)
    frame = plate.read(plate.frames[0], picture_only=True)
    picture = view(frame.rgb(frame.data_window), make_view(plate.color.plate_to_rec709))
    faces = analyse_picture(picture, turned=True)
    if not faces:
        raise NoFace(f"No face was found in {path.name}.", "Give a picture with a clearly visible face.")
    return faces[0].embedding
