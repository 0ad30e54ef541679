"""Pixels: arrays in, arrays out.

Arrays are (height, width, channel) float32 unless said otherwise; pixel centres lie at half-integers, x to the right,
y down. The array says where the work runs; nothing here touches a file.
"""

import os

# Numba's threads wait for work by spinning unless they are told not to, and then take the cores from the threads that
# read and write frames. It must be said before Numba starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Numba prefers TBB where some program has installed it. With it every parallel call loses 7 kB, and a process that has
# ended its work stays for up to minutes with all cores busy (Numba 0.68, oneTBB 2021.8).
os.environ.setdefault("NUMBA_THREADING_LAYER_PRIORITY", "omp tbb workqueue")
