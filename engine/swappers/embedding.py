"""Networks that are told who the person is by an embedding: inswapper, SimSwap, Ghost, HifiFace, HyperSwap.

The embedding is ArcFace's (w600k_r50), 512 numbers; the person's is the middle of their pictures'. What the network is
given of it is said by its manifest: a product with the graph's own matrix, what another network makes of it, or itself.
"""

import numpy as np
from numpy.typing import NDArray

from engine.faces.identity import robust_mean
from engine.kept import NOTHING, Keep
from engine.models.brought import Brought
from engine.models.locate import open_named
from engine.models.manifest import Role
from engine.models.used import RECOGNISER
from engine.swappers.base import Seen
from engine.swappers.enhance import Enhancer
from engine.swappers.network import NetworkSwapper
from engine.swappers.references import Identity, Reference
from engine.swappers.templates import picture_to_template
from kernels.view import make_view, seen_of_exposed
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]

# How much of the plate's own face goes into the embedding, or is taken away from it, at likeness 0 and 1.
MOST_PUSH = 0.35


class EmbeddingSwapper(NetworkSwapper):
    """See the module. Raises ModelError where the recogniser or the converter is not installed."""

    def __init__(
        self, network: Brought, identity: Identity, boost: int, keep: Keep = NOTHING, enhancer: Enhancer | None = None
    ) -> None:
        manifest = network.manifest
        self._recogniser = open_named(RECOGNISER, "recogniser")
        self._converter = open_named(manifest.converter, "converter") if manifest.converter else None
        person = identity.digest, self._recogniser.identity, self._converter.identity if self._converter else ""
        super().__init__(network, boost, " ".join(person), keep, enhancer)
        self._embedding = keep.get(("embedding", *person[:2]), lambda: self._embedding_of(identity))

    def told(self, seen: Seen) -> dict[Role, Float32]:
        """The source (1, 512)."""
        push = MOST_PUSH * (1.0 - 2.0 * seen.shot.network.likeness)
        if push == 0.0:
            return {"source": self._source(self._embedding)}
        target = embed(self._recogniser, seen.picture, seen.mesh)
        # ArcFace's vectors are longer for better pictures; only their directions are somebody's.
        target *= np.linalg.norm(self._embedding) / max(float(np.linalg.norm(target)), 1e-6)
        return {"source": self._source(np.asarray(self._embedding * (1.0 - push) + target * push, np.float32))}

    def _embedding_of(self, identity: Identity) -> Float32:
        embeddings = np.array([_of_reference(self._recogniser, each) for each in identity.references])
        return robust_mean(embeddings, identity.votes)

    def _source(self, embedding: Float32) -> Float32:
        network = self._network
        source = embedding[None]
        if network.emap is not None:
            source = _unit(source) @ network.emap
        elif self._converter is not None:
            source = self._converter.run({"source": source})["embedding"]
        return np.asarray(_unit(source) if network.manifest.normalised else source, np.float32)


def embed(recogniser: Brought, picture: Float32, mesh: NDArray[np.floating]) -> Float32:
    """ArcFace's embedding (512,) of the face with `mesh` in `picture` (h, w, 3), model view. Raises ModelError."""
    manifest = recogniser.manifest
    matrix = picture_to_template(mesh, manifest.template, recogniser.size)
    chip = warp_affine(picture, matrix, (recogniser.size, recogniser.size), inverse=True)
    return recogniser.run({"target": recogniser.target(chip[None])})["embedding"][0]


def shown_reference(reference: Reference) -> Float32:
    """A reference in the model view, (h, w, 3)."""
    return seen_of_exposed(np.ascontiguousarray(reference.light), make_view())


def _of_reference(recogniser: Brought, reference: Reference) -> Float32:
    return embed(recogniser, shown_reference(reference), reference.mesh)


def _unit(vectors: Float32) -> Float32:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
