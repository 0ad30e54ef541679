"""A host in a process of its own: attaches to a lease, and does what its standard input says."""

import subprocess
import sys
from pathlib import Path

import msgspec

from engine.leases import Granted
from engine.wire.frames import attach
from engine.wire.messages import Lease, Leased

ROOT = Path(__file__).parents[2]


class Host:
    """The process, as a test holds it. Its exit is an ordinary one unless it is killed."""

    def __init__(self, ask: Lease, granted: Granted) -> None:
        words = [msgspec.json.encode(ask).decode(), msgspec.json.encode(Leased(*granted)).decode()]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.wire.host", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fill(self, value: float) -> None:
        """Fill the picture, and wait until that is done."""
        assert self._says(f"fill {value}") == "filled"

    def read(self) -> float:
        """The picture's first value."""
        return float(self._says("read"))

    def scribble(self) -> None:
        """Begin to write without an end."""
        assert self._says("scribble") == "begun"

    def exit(self) -> None:
        """Let it end as programs do, and wait for all that it has started, which holds its standard error."""
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        assert not errors

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)

    def _says(self, order: str) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def main(ask: Lease, leased: Leased) -> None:
    pixels = attach(ask, leased)
    for line in sys.stdin:
        match line.split():
            case ["fill", value]:
                pixels[...] = float(value)
                print("filled", flush=True)  # noqa: T201
            case ["read"]:
                print(pixels.flat[0], flush=True)  # noqa: T201
            case ["scribble"]:
                print("begun", flush=True)  # noqa: T201
                while True:
                    pixels += 1


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Lease), msgspec.json.decode(sys.argv[2], type=Leased))
