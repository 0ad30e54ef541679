"""Networks that are shown a picture of the person: UniFace, BlendSwap."""

import numpy as np
from numpy.typing import NDArray

from engine.kept import NOTHING, Keep
from engine.models.brought import Brought
from engine.models.manifest import Role
from engine.swappers.base import Seen
from engine.swappers.embedding import shown_reference
from engine.swappers.enhance import Enhancer
from engine.swappers.network import NetworkSwapper
from engine.swappers.references import Identity, Reference
from engine.swappers.templates import picture_to_template
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]

# A reference with glasses or facial hair is taken only when the others are turned away so much more, in degrees.
OBSTRUCTED = 30.0


class ImageSwapper(NetworkSwapper):
    """The picture is the reference that looks most at the camera, the same in every frame: another would be a jump."""

    def __init__(
        self, network: Brought, identity: Identity, boost: int, keep: Keep = NOTHING, enhancer: Enhancer | None = None
    ) -> None:
        super().__init__(network, boost, identity.digest, keep, enhancer)
        manifest = network.manifest
        reference, side = min(identity.references, key=_turned), manifest.source_size or network.size
        matrix = picture_to_template(reference.mesh, manifest.source_template, side)
        picture = warp_affine(shown_reference(reference), matrix, (side, side), inverse=True)[None]
        shown = picture[..., ::-1] if manifest.channels == "bgr" else picture
        self._source = shown if manifest.layout == "nhwc" else shown.transpose(0, 3, 1, 2)

    def told(self, seen: Seen) -> dict[Role, Float32]:
        """The source (1, 3, side, side), model view [0, 1]."""
        return {"source": self._source}


def _turned(reference: Reference) -> float:
    return float(np.linalg.norm(reference.pose.angles[:2])) + OBSTRUCTED * len(reference.obstructions)
