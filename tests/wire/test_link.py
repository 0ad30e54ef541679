"""A connection that nobody closed."""

import subprocess
import sys

DROPPED = """
import gc, zmq
from engine.wire.client import Link

public, secret = zmq.curve_keypair()
for number in range(20):
    link = Link("tcp://127.0.0.1:1", public, public, secret)
    # A ring, as an exception's frames make one: the collector takes its members in any order.
    ring = [link]
    ring.append(ring)
    link.ring = ring
    del link, ring
    gc.collect()
print("collected")
"""


def test_a_dropped_link_does_not_hang_the_garbage_collector() -> None:
    run = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, timeout=60)
    assert run.stdout == "collected\n", run.stderr
