"""For hosts that count frames by the last digits in the name of a file: the files of a sequence, and their numbers."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_NUMBERED = re.compile(r"(?P<head>.*?)(?P<digits>\d+)(?P<tail>\D*)$", re.DOTALL)
_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x([1-9]\d*))?)?$")


class Files(NamedTuple):
    """A sequence: what its names have before and after the number, its digits, and the first and the last number."""

    head: str
    digits: int
    tail: str
    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def printf(self) -> str:
        """The pattern with %04d for the number, as many programs take it."""
        return f"{self.head}%0{self.digits}d{self.tail}"

    @property
    def spellings(self) -> list[str]:
        """How hosts name a sequence: by its first file, with %04d, and with its range in brackets."""
        first, last = f"{self.first:0{self.digits}d}", f"{self.last:0{self.digits}d}"
        return [str(self.path(self.first)), self.printf, f"{self.head}[{first}-{last}]{self.tail}"]

    def path(self, number: int) -> Path:
        return Path(f"{self.head}{number:0{self.digits}d}{self.tail}")


def files_of(paths: Iterable[Path]) -> Files | None:
    """The sequence that files are, if they are one without gaps."""
    every = sorted(paths, key=number_of)
    found = _NUMBERED.match(every[0].stem) if every else None
    if found is None:
        return None
    # An empty name cannot be put into the folder of another.
    head = str(every[0].with_name(found["head"] + "_"))[:-1]
    first = int(found["digits"])
    files = Files(head, len(found["digits"]), found["tail"] + every[0].suffix, first, first + len(every) - 1)
    return files if all(files.path(first + index) == path for index, path in enumerate(every)) else None


def number_of(path: Path) -> int:
    """The number in the name of a file; 1 where there is none."""
    found = _NUMBERED.match(path.stem)
    return int(found["digits"]) if found else 1


def pattern(path: Path) -> Path:
    """The sequence that a file is of, with # for each digit of its number; a file without one stays itself."""
    found = _NUMBERED.match(path.stem)
    return path if found is None else _named(path, found, "#" * len(found["digits"]))


def numbered(path: Path, number: int) -> Path:
    """The file of the same sequence that has this number; a file without one stays itself."""
    found = _NUMBERED.match(path.stem)
    return path if found is None else _named(path, found, f"{number:0{len(found['digits'])}d}")


def numbers_beside(path: Path) -> list[int]:
    """The numbers of the files of the same sequence that are in its folder, in order."""
    found = _NUMBERED.match(path.stem)
    if found is None:
        return [1]
    names = re.compile(re.escape(found["head"]) + r"(\d+)" + re.escape(found["tail"] + path.suffix))
    return sorted(int(named[1]) for one in path.parent.iterdir() if (named := names.fullmatch(one.name)))


def numbers_in(text: str) -> list[int]:
    """The numbers in a range such as 1001-1024x2,1030, in order; what is no number is left out."""
    numbers: set[int] = set()
    for part in text.split(","):
        if found := _RANGE.match(part.strip()):
            first, last, step = int(found[1]), int(found[2] or found[1]), int(found[3] or 1)
            numbers.update(range(first, last + 1, step))
    return sorted(numbers)


def _named(path: Path, found: re.Match[str], digits: str) -> Path:
    return path.with_name(f"{found['head']}{digits}{found['tail']}{path.suffix}")
