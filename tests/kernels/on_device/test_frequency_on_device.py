import numpy as np
import pytest

from kernels.frequency import _add, _difference, _encode, _merge, _split, carry_texture, emphasise, merge, split
from kernels.half import loadable
from kernels.launch import run


def pictures(dtype: type[np.floating] = np.float32):
    random = np.random.default_rng(3)
    values = np.exp(random.normal(-1.0, 2.0, (4, 7, 18))) - 0.01
    values[0, 2, 3], values[1, 4, 5] = np.nan, np.inf
    return values.astype(dtype)


@pytest.mark.parametrize("logarithmic", [np.bool_(False), np.bool_(True)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_loops(device, agree, logarithmic, dtype):
    a, b, c, _ = pictures(dtype)
    source, blurred, _, _ = np.nan_to_num(pictures(), posinf=1e4)
    share = np.linspace(0.0, 1.0, 42, dtype=np.float32).reshape(7, 6)
    numbers = np.float32(0.7), np.float32(2.0), logarithmic
    calls = (
        (_encode, (a,), (logarithmic,), 1, np.float32),
        (_difference, (a, b), (logarithmic,), 1, np.float32),
        (_split, (source, blurred), (logarithmic,), 2, dtype),
        (_merge, (c, b), (logarithmic,), 1, dtype),
        (_add, (c, source, blurred, share), numbers, 1, dtype),
        (_add, (a, source, blurred, np.empty((7, 0), np.float32)), numbers, 1, dtype),
    )
    for loop, arrays, scalars, count, kind in calls:
        reference = [np.empty((7, 18), kind) for _ in range(count)]
        ours = [device(result) for result in reference]
        run(loop, (7, 18), *map(loadable, arrays), *scalars, *map(loadable, reference))
        run(loop, (7, 18), *(loadable(device(array)) for array in arrays), *scalars, *map(loadable, ours))
        for one, other in zip(ours, reference, strict=True):
            agree(one, other, "bands" if kind is np.float32 else "half")


@pytest.mark.parametrize("light", ["linear", "log"])
def test_functions(device, agree, light):
    patch, plate = (picture.reshape(7, 6, 3) for picture in pictures()[2:])
    weight = np.linspace(0.0, 1.0, 42, dtype=np.float32).reshape(7, 6)
    there = device(patch), device(plate), device(weight)
    ours, reference = split(there[0], 1.0, light=light), split(patch, 1.0, light=light)
    agree(ours.low, reference.low, "bands")
    agree(merge(*ours, light=light), merge(*reference, light=light), "bands")
    ours = carry_texture(*there[:2], 1.0, there[2], light=light, weight=there[2])
    agree(ours, carry_texture(patch, plate, 1.0, weight, light=light, weight=weight), "bands")
    sharp = emphasise(there[0], 1.0, 0.5, 0.1, light=light)
    agree(sharp, emphasise(patch, 1.0, 0.5, 0.1, light=light), "bands")
