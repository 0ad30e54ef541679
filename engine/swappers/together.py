"""Swaps all faces of one frame: those that use one network are one batch, with the pictures of their pixel boost.

A batch is made of what one frame and its recipe decide, and of nothing else, for onnxruntime may give other last bits
to a picture by what it is run with. Measured on the CPU (onnxruntime 1.32, AVX-512) with 1 to 8 threads and batches of
1 to 16: networks of convolutions gave the same bits throughout; the face mesh, with its attention, did not. So no batch
goes over several frames: what is at its end would depend on how many frames a run has. Nor would that be faster there:
sixteen pictures in one run took about what sixteen runs take (`benchmarks/swappers.py`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

from engine.swappers.base import Patch, Seen, Swapper
from engine.swappers.network import Answer, NetworkSwapper, Share, answers


def swap_all(faces: Sequence[tuple[Swapper, Seen]]) -> Iterator[Patch]:
    """The patches of all faces of a frame, in their order, each made when it is asked for. Raises ModelError."""
    batches: dict[str, _Batch] = defaultdict(_Batch)
    for swapper, seen in faces:
        if isinstance(swapper, NetworkSwapper):
            batches[swapper.network.identity].asked.append((swapper, seen))
    for swapper, seen in faces:
        if isinstance(swapper, NetworkSwapper):
            yield swapper.swap(seen, batches[swapper.network.identity].next_share())
        else:
            yield swapper.swap(seen)


class _Batch:
    """The faces of a frame that use one network, which runs when the first needs its answer, and then on all of them.

    Where the first answers have been kept from before, those that come later are still run as the whole batch is.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[NetworkSwapper, Seen]] = []
        self._given = 0
        self._answers: list[Answer] = []

    def next_share(self) -> Share:
        self._given += 1
        place = self._given - 1
        return Share(place, len(self.asked), partial(self._answer, place))

    def _answer(self, place: int) -> Answer:
        if not self._answers:
            questions = [swapper.ask(seen) for swapper, seen in self.asked]
            self._answers = answers(self.asked[0][0].network, questions)
        return self._answers[place]
