"""DeepFaceLab's exported models: each makes one person's face, so it is told nothing of an identity."""

import numpy as np
from numpy.typing import NDArray

from engine.kept import NOTHING, Keep
from engine.models.brought import Brought
from engine.models.manifest import Role
from engine.swappers.base import Seen
from engine.swappers.enhance import Enhancer
from engine.swappers.network import NetworkSwapper

Float32 = NDArray[np.float32]


class DfmSwapper(NetworkSwapper):
    """A model may take a morph value: how far it goes from the plate's face to its person's."""

    def __init__(self, network: Brought, boost: int, keep: Keep = NOTHING, enhancer: Enhancer | None = None) -> None:
        super().__init__(network, boost, "", keep, enhancer)

    def told(self, seen: Seen) -> dict[Role, Float32]:
        """The morph value (1,), where the model takes one."""
        takes = any(port.role == "morph" for port in self._network.manifest.inputs)
        return {"morph": np.array([seen.shot.network.morph], np.float32)} if takes else {}
