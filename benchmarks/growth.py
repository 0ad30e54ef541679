"""How the time of a kernel grows with the area it works on: rows for the table, and a picture.

Linear growth means that a face of four times the area takes four times as long. A kernel that leaves the caches grows
a little faster; one that does not scale (a solver whose iterations grow, a search) grows visibly faster.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.report import Row
from benchmarks.timing import Call, median_seconds

# A name, and what makes a call that works on a square of this side.
Case = tuple[str, Callable[[int], Call]]

SIDES = (256, 512, 1024, 2048, 4096)
# From the third side to the last; what a kernel that leaves the caches on its way may lose.
SLACK = 1.35
REPEATS = 3


def measure(cases: Iterable[Case]) -> dict[str, list[float]]:
    """Median seconds of every case at every side of SIDES."""
    return {name: [median_seconds(make(side), REPEATS) for side in SIDES] for name, make in cases}


def rows(measured: dict[str, list[float]]) -> list[Row]:
    """What growth there was from SIDES[2] to SIDES[-1], against linear growth."""
    factor = (SIDES[-1] / SIDES[2]) ** 2
    return [
        Row(
            f"growth of {name} to {SIDES[-1]}²",
            f"{factor:g} × {SIDES[2]}²",
            times[2] * factor * 1e3,
            times[-1] * 1e3,
            SLACK,
        )
        for name, times in measured.items()
    ]


def draw(measured: dict[str, list[float]], path: Path) -> None:
    """Plot time against area, both logarithmic, with a line of linear growth."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    areas = [side * side / 1e6 for side in SIDES]
    figure = Figure(figsize=(10.0, 5.0), layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=colormaps["tab20"](range(20)))
    for name, times in sorted(measured.items(), key=lambda item: -item[1][-1]):
        axes.loglog(areas, [1e3 * seconds for seconds in times], marker="o", label=name)
    least = min(times[2] for times in measured.values()) * 1e3 / areas[2]
    axes.loglog(areas, [0.5 * least * area for area in areas], "k:", label="linear growth")
    axes.set_xlabel("area, million pixels")
    axes.set_ylabel("time, ms")
    axes.grid(which="major", alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside right upper")
    figure.savefig(path, dpi=130)
