"""Networks that say what lies before a plate's face: hands, hair, microphones. All families of swapper use them alike.

They look at the plate, each as its own training template has the face, and what they say is laid back over the plate.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.faces.mesh import face_width
from engine.faces.tracks import FaceGeometry
from engine.geometry import Box
from engine.kept import Keep
from engine.models.locate import open_named
from engine.swappers.base import Crop
from engine.swappers.hull import matte_blur
from engine.swappers.templates import picture_to_template
from kernels.blur import gaussian
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]


class Occluders:
    """The occlusion networks of a recipe. Immutable after construction; calls may come from any thread."""

    def __init__(self, names: Sequence[str], keep: Keep) -> None:
        """What a network says of a picture is taken from `keep`. Raises ModelError."""
        self._networks = [open_named(name, "occlusion") for name in names]
        self._keep = keep

    def crops(self, face: FaceGeometry) -> list[Crop]:
        """The face as each network wants to see it."""
        return [
            Crop(picture_to_template(face.mesh, network.manifest.template, network.size), (network.size, network.size))
            for network in self._networks
        ]

    def free(self, face: FaceGeometry, box: Box, look: Callable[[Crop], Float32]) -> Float32 | None:
        """Where nothing lies before the face, (height, width) of `box` [0, 1], by what all networks agree on.

        `look` gives a crop of the plate in the model view. None where the recipe has no network. Raises ModelError.
        """
        found: Float32 | None = None
        for network, crop in zip(self._networks, self.crops(face), strict=True):
            picture = look(crop)
            keep = self._keep.about(picture, network.identity)
            seen = keep.get("visible", lambda network=network, picture=picture: network.visible(picture[None])[0])
            placed = warp_affine(seen[..., None], crop.from_box(box), (box.height, box.width), "linear")[..., 0]
            found = placed if found is None else np.minimum(found, placed)
        if found is None:
            return None
        return np.clip(gaussian(found, matte_blur(face_width(face.mesh))), 0.0, 1.0)
