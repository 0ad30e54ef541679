"""Finds the frames of a plate: a printf or hash pattern, a range inside a pattern, a folder, or one file."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fileseq.constants import PAD_STYLE_HASH1, PAD_STYLE_HASH4
from fileseq.filesequence import FileSequence
from fileseq.frameset import FrameSet

from engine.errors import PlateError, PlateNotFound, PlateUnsupported, UsageError
from engine.events import shown
from engine.plates.naming import SUFFIXES, companion_path, frame_number, plate_name, split_number

_LISTED = 6
_LONGEST_QUOTE = 100
# Eleven hours; a range of many more would fill the memory before a file was looked for.
_MOST_FRAMES = 1_000_000


@dataclass(frozen=True, slots=True)
class FrameSequence:
    """The files of one plate.

    `frames` exist and are in the asked range, in increasing order; `missing` are the gaps in that range: between the
    first and the last file, or whatever was asked for by number and is not there.
    """

    folder: Path
    name: str
    frames: tuple[int, ...]
    missing: tuple[int, ...]
    files: dict[int, Path]
    prefix: str
    digits: int
    suffix: str

    def path(self, frame: int) -> Path:
        """The file of a frame, or the name that it would have."""
        if frame in self.files:
            return self.files[frame]
        sign, number = ("-", -frame) if frame < 0 else ("", frame)
        return self.folder / f"{self.prefix}{sign}{number:0{self.digits}d}{self.suffix}"


def find_sequence(pattern: str | os.PathLike[str], frames: str = "") -> FrameSequence:
    """Find the frames that `pattern` names.

    `pattern` is `sh010.%04d.exr`, `sh010.####.exr`, `sh010.1001-1100#.exr`, a folder that holds one sequence, or one
    file. A folder's one sequence may have its layers beside it (`companion_path`). A single # stands for four digits,
    several for one digit each. `frames` (`1001-1024x2`, `1,5,9`) narrows it. Raises PlateNotFound, PlateUnsupported
    or UsageError, which name what was found instead.
    """
    text = os.fspath(pattern)
    asked = parse_frames(frames) if frames else None
    if not text or "\0" in text:
        raise UsageError("The plate has no name.", "Give a file, a pattern such as shot.%04d.exr, or a folder.")
    path = Path(text)
    try:
        if path.is_dir():
            return _in_folder(path, asked)
        if path.is_file():
            return _one_file(path, asked)
        return _by_pattern(path, asked)
    except OSError as error:
        raise PlateNotFound(
            f"{shown(path)} cannot be opened: {error.strerror}.", "Check the path and its permissions."
        ) from error


def parse_frames(text: str) -> frozenset[int]:
    """Frame numbers of a range such as `1001-1024x2` or `1,5,9-12`. Raises UsageError."""
    try:
        found = FrameSet(text)
        if len(found) > _MOST_FRAMES:
            raise UsageError(f"The frame range {_quoted(text)} has over {_MOST_FRAMES} frames.", "Ask for fewer.")
        numbers = list(found)
    except (ValueError, ArithmeticError) as error:
        raise UsageError(
            f"The frame range {_quoted(text)} cannot be understood.", "Write it like 1001-1024, 1001-1024x2 or 1,5,9."
        ) from error
    if not numbers or any(number != int(number) for number in numbers):
        raise UsageError(f"The frame range {_quoted(text)} holds no whole frames.", "Write it like 1001-1024.")
    return frozenset(int(number) for number in numbers)


def range_text(frames: Iterable[int]) -> str:
    """Frame numbers as a short range: `1001-1010,1013`."""
    return FrameSet(sorted(frames)).frameRange() or "none"


def _quoted(text: str) -> str:
    return f'"{shown(text)}"' if len(text) <= _LONGEST_QUOTE else f'"{shown(text[:_LONGEST_QUOTE])}…"'


def _in_folder(folder: Path, asked: frozenset[int] | None) -> FrameSequence:
    groups = _without_companions(_groups(folder))
    if not groups:
        raise PlateNotFound(
            f"The folder {shown(folder)} holds no frames{_others(folder)}.",
            f"Frames are files that end in {', '.join(SUFFIXES)}.",
        )
    if len(groups) > 1:
        raise PlateNotFound(
            f"The folder {shown(folder)} holds {len(groups)} sequences: {_listed(groups)}.",
            "Name one of them instead of the folder.",
        )
    (((prefix, suffix), files),) = groups.items()
    return _sequence(folder, prefix, suffix, files, asked)


def _one_file(path: Path, asked: frozenset[int] | None) -> FrameSequence:
    _check_suffix(path)
    prefix, suffix = _group_of(path)
    return _sequence(path.parent, prefix, suffix, {frame_number(path.name): path}, asked)


def _by_pattern(path: Path, asked: frozenset[int] | None) -> FrameSequence:
    if not path.parent.is_dir():
        raise PlateNotFound(f"There is no folder {shown(path.parent)}.", "Check the path.")
    style = PAD_STYLE_HASH4 if path.name.count("#") == 1 else PAD_STYLE_HASH1
    try:
        parsed = FileSequence(path.name, pad_style=style)
    except ValueError as error:
        raise UsageError(f"The pattern {shown(path)} cannot be understood.", "Write it like shot.%04d.exr.") from error
    # fileseq also takes a file's own number for a range.
    plain = not any(mark in path.name for mark in "%#@")
    if plain or not parsed.padding() or "%" in parsed.basename() + parsed.extension():
        raise PlateNotFound(f"There is no file {shown(path)}{_instead(path.parent)}.", "Check the name.")
    _check_suffix(path)
    files = _matching(path.parent, parsed.basename(), parsed.zfill(), parsed.extension())
    if not files:
        raise PlateNotFound(
            f"No frame matches {shown(path)}{_instead(path.parent)}.", "Check the pattern and its padding."
        )
    within = parsed.frameSet()
    if within is not None:
        inside = frozenset(int(number) for number in within)
        asked = inside if asked is None else asked & inside
        if not asked:
            raise PlateNotFound(
                f"None of the asked frames is in {within.frameRange()}, the range of {shown(path)}.",
                "Ask for frames inside it.",
            )
    return _sequence(path.parent, parsed.basename(), parsed.extension(), files, asked, parsed.zfill())


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise PlateUnsupported(
            f"{shown(path)} is not of a kind that can be read as a plate.", f"Plates are {', '.join(SUFFIXES)}."
        )


def _sequence(
    folder: Path,
    prefix: str,
    suffix: str,
    files: dict[int, Path],
    asked: frozenset[int] | None,
    digits: int | None = None,
) -> FrameSequence:
    if asked is None and max(files) - min(files) >= _MOST_FRAMES:
        first, last = (shown(files[number].name) for number in (min(files), max(files)))
        raise PlateError(
            f"{first} and {last} are too far apart to be frames of one plate.", "Ask for a range of frames."
        )
    wanted = range(min(files), max(files) + 1) if asked is None else asked
    present = tuple(sorted(files)) if asked is None else tuple(sorted(asked & files.keys()))
    if not present:
        raise PlateNotFound(
            f"None of the asked frames exists; {shown(folder)} holds {range_text(files)}.", "Ask for frames that exist."
        )
    missing = tuple(sorted(number for number in wanted if number not in files))
    if digits is None:
        numbered = split_number(files[present[0]].name)
        digits = len(numbered[1].lstrip("-")) if numbered else 4
    return FrameSequence(folder, plate_name(prefix, folder), present, missing, files, prefix, digits, suffix)


def _matching(folder: Path, prefix: str, digits: int, suffix: str) -> dict[int, Path]:
    """Files named prefix, number, suffix, whose number is padded to `digits` (longer only where it has to be)."""
    number = re.compile(re.escape(prefix) + r"(-?)([0-9]{1,18})" + re.escape(suffix), re.DOTALL)
    files: dict[int, Path] = {}
    for name in _names(folder):
        found = number.fullmatch(name)
        if found and (len(found[2]) == digits or (len(found[2]) > digits and found[2][0] != "0")):
            files[int(found[1] + found[2])] = folder / name
    return files


def _groups(folder: Path) -> dict[tuple[str, str], dict[int, Path]]:
    """The sequences and stills of a folder, by base name and extension. Hidden files are none."""
    groups: dict[tuple[str, str], dict[int, Path]] = defaultdict(dict)
    for name in _names(folder):
        path = folder / name
        if name.startswith(".") or path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        key, number = _group_of(path), frame_number(name)
        if number in groups[key]:
            raise PlateError(
                f"{shown(groups[key][number])} and {shown(name)} are both frame {number}.", "Remove one of them."
            )
        groups[key][number] = path
    return dict(groups)


def _group_of(path: Path) -> tuple[str, str]:
    numbered = split_number(path.name)
    return (numbered[0], numbered[2]) if numbered else (path.stem, path.suffix)


def _without_companions(groups: dict[tuple[str, str], dict[int, Path]]) -> dict[tuple[str, str], dict[int, Path]]:
    """The groups without the layers that this program has written beside the frames of another."""
    beside = {_group_of(companion_path(next(iter(files.values())))) for files in groups.values()}
    return {key: files for key, files in groups.items() if key not in beside}


def _listed(groups: dict[tuple[str, str], dict[int, Path]]) -> str:
    texts = []
    for files in list(groups.values())[:_LISTED]:
        first = next(iter(files.values())).name
        texts.append(shown(first) if len(files) == 1 else f"{_as_pattern(first)} ({range_text(files)})")
    return ", ".join(texts) + (" and more" if len(groups) > _LISTED else "")


def _as_pattern(file_name: str) -> str:
    base, number, suffix = split_number(file_name) or (file_name, "", "")
    return shown(f"{base}%0{len(number.lstrip('-'))}d{suffix}")


def _instead(folder: Path) -> str:
    groups = _groups(folder)
    return f"; the folder holds {_listed(groups)}" if groups else f"; the folder holds no frames{_others(folder)}"


def _others(folder: Path) -> str:
    names = [name for name in _names(folder) if not name.startswith(".")]
    if not names:
        return ": it is empty"
    return f", only {', '.join(shown(name) for name in names[:_LISTED])}{' and more' if len(names) > _LISTED else ''}"


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
