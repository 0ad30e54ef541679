"""All models there are: bundled, installed, known by a manifest; and how one is added, brought, checked, removed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from engine.errors import DownloadError, FaceplateError, LicenceError, ModelError, UsageError
from engine.events import shown
from engine.models import manifest as manifests
from engine.models import store
from engine.models.catalogue import FOLDER, MESH_FILE, MESH_SHA256, MODELS
from engine.models.check import check_model
from engine.models.expectation import dfm_manifest, expectation
from engine.models.fetch import Progress, fetch
from engine.models.files import copy_hashed, sha256_of
from engine.models.manifest import Manifest, consent_of
from engine.models.trial import try_model

State = Literal["bundled", "installed", "absent"]


class Entry(msgspec.Struct, frozen=True):
    """One line of the list. `commercial` is "yes", "no" or "unknown"."""

    name: str
    state: State
    family: str
    licence: str
    commercial: str


class Details(msgspec.Struct, frozen=True):
    """Everything about one model; `manifest` is what an adapter is told of it."""

    entry: Entry
    origin: str
    file: str
    sha256: str
    consent: str
    accepted: store.Acceptance | None = None
    manifest: dict[str, object] = {}

    def rows(self) -> Iterator[tuple[str, str]]:
        """Names and values for a person to read; what is empty is left out."""
        taken = self.accepted and f"by {self.accepted.accepted_by}, {self.accepted.accepted_at:%Y-%m-%d %H:%M} UTC"
        first = msgspec.structs.asdict(self.entry) | {"accepted": taken or ""}
        rest = {name: getattr(self, name) for name in ("origin", "file", "sha256", "consent")}
        told = first | rest
        for name, value in (told | {key: each for key, each in self.manifest.items() if key not in told}).items():
            if value not in ("", None, [], {}):
                yield name, shown(str(value))


class Verdict(msgspec.Struct, frozen=True):
    """What `verify` found of one file."""

    name: str
    good: bool
    message: str
    remedy: str = ""


class Fetched(msgspec.Struct, frozen=True, tag_field="type", tag="fetched"):
    """How far a download is, in bytes; `whole` is 0 where the publisher does not say."""

    name: str
    done: int
    whole: int


def entries() -> list[Entry]:
    """Every model: bundled, then installed, then absent, each by name. Raises ModelError."""
    there = store.installed()
    bundled = [_bundled_entry(name) for name in sorted(MODELS)]
    installed = [_entry(read_installed(name), name, "installed") for name in there]
    known = manifests.known()
    return bundled + installed + [_entry(known[name], name, "absent") for name in sorted(set(known) - set(there))]


def details(name: str) -> Details:
    """Everything about the model of that name. Raises UsageError, ModelError."""
    if name in MODELS:
        spec = MODELS[name]
        return Details(_bundled_entry(name), spec.origin, str(FOLDER / spec.file), spec.sha256, "")
    place = store.place_of(name)
    if name in store.installed():
        found, state, accepted = read_installed(name), "installed", store.acceptance_of(name)
        return _details(found, name, state, str(place.model), accepted)
    return _details(_known(name), name, "absent", "", None)


def read_installed(name: str) -> Manifest:
    """The manifest of an installed model. Raises ModelError."""
    return manifests.read(store.place_of(name).manifest)


def add(file: Path, name: str = "", accept_licence: bool = False) -> Entry:
    """Install a model file after it was recognised, held against its manifest and tried; nothing stays of one refused.

    It is recognised by its SHA-256, else it is the known model called `name`, else its manifest lies beside it, else
    it is a DFM by its inputs and outputs. Raises UsageError, ModelError, ModelTimeout, DiskFull, OutputError.
    """
    with store.newcomer() as unfinished:
        sha256 = copy_hashed(file, unfinished)
        found = _recognised(file, unfinished, sha256, name)
        return _install(unfinished, found, name or found.name, sha256, accept_licence)


def get(name: str, accept_licence: bool, progress: Progress) -> Entry:
    """Bring a known model from its publisher and install it.

    Raises as `add`, and DownloadError, which says which file to bring by hand. An unfinished download is kept.
    """
    found, place = _known(name), store.place_of(name)
    _refuse_twice(name)
    _licence(found, name, found.sha256, accept_licence)
    if not found.url:
        raise ModelError(f"There is no address that {name} could be brought from.", _by_hand(found, name))
    if not found.sha256:
        # A file that nothing vouches for is the person's own choice, not ours.
        raise ModelError(f"The SHA-256 of {name} is not known, so it is not downloaded.", _by_hand(found, name))
    store.prepare()
    try:
        fetch(found.url, found.sha256, place.part, progress)
    except DownloadError as error:
        raise DownloadError(error.message, f"{error.remedy} {_by_hand(found, name)}") from error
    try:
        return _install(place.part, found, name, found.sha256, accept_licence)
    except FaceplateError:
        # It is whole, and refused: another try would bring the same.
        place.part.unlink(missing_ok=True)
        raise


def verify() -> Iterator[Verdict]:
    """Hold every bundled and installed file against its SHA-256. Raises nothing for a file that is bad."""
    files = {name: (FOLDER / spec.file, spec.sha256) for name, spec in MODELS.items()}
    for name, (path, sha256) in (files | {"canonical mesh": (FOLDER / MESH_FILE, MESH_SHA256)}).items():
        yield _verdict(name, path, sha256, "Install Faceplate again.")
    for name in store.installed():
        remedy = f"Remove it and bring it again: faceplate models remove {name}"
        try:
            sha256 = read_installed(name).sha256
        except ModelError as error:
            yield Verdict(name, False, error.message, remedy)
        else:
            yield _verdict(name, store.place_of(name).model, sha256, remedy)


def remove(name: str) -> list[Path]:
    """Remove an installed model or an unfinished download; the files that were removed. Raises UsageError."""
    if name in MODELS:
        raise UsageError(f"{name} comes with Faceplate and stays.")
    removed = store.remove(name)
    if not removed:
        raise UsageError(f"No model called {shown(name)} is installed.", "faceplate models list")
    return removed


def _recognised(file: Path, unfinished: Path, sha256: str, wanted: str) -> Manifest:
    known = manifests.known()
    for each in known.values():
        if sha256 in (each.sha256, *each.also):
            return each
    beside = file.with_suffix(".toml")
    if wanted in known:
        return _pinned(known[wanted], file, sha256)
    if beside.exists():
        return _pinned(manifests.read(beside), file, sha256)
    stem = wanted or file.stem
    dfm = dfm_manifest(try_model(unfinished, shown(file.name)), stem)
    if dfm is not None:
        return dfm
    hint = f"If it is a model of the list: --as NAME. Else write its manifest {shown(beside.name)} beside it."
    raise ModelError(f"{shown(file)} is no model that is known, and no DFM.", hint)


def _pinned(found: Manifest, file: Path, sha256: str) -> Manifest:
    if found.sha256 and sha256 not in (found.sha256, *found.also):
        raise ModelError(
            f"{shown(file)} is not the file that {found.name} is: its SHA-256 is {sha256}, expected: {found.sha256}.",
            "Bring the file that the publisher names; do not use a changed one.",
        )
    return found


def _install(unfinished: Path, found: Manifest, name: str, sha256: str, accept_licence: bool) -> Entry:
    _refuse_twice(name)
    acceptance = _licence(found, name, sha256, accept_licence)
    check_model(unfinished, name, expectation(found))
    kept = msgspec.structs.replace(found, name=name, sha256=sha256, also=())
    store.settle(name, unfinished, manifests.to_text(kept), acceptance)
    return _entry(kept, name, "installed")


def _refuse_twice(name: str) -> None:
    if name in MODELS:
        raise UsageError(f"{name} is the name of a bundled model.", "Choose another one with --as.")
    if name in store.installed():
        raise UsageError(f"{name} is installed already.", f"Remove it first: faceplate models remove {name}")


def _licence(found: Manifest, name: str, sha256: str, accepted: bool) -> store.Acceptance | None:
    """What is put down of the licence; None where it is clear for commercial use. Raises LicenceError."""
    if found.commercial:
        return None
    if not accepted:
        raise LicenceError(
            f"{name} is not cleared for commercial use; its licence: {found.licence or 'unknown'}.",
            "Read the licence; if you may use the model, say so with --accept-licence.",
        )
    return store.accept(name, found.licence, sha256)


def _known(name: str) -> Manifest:
    found = manifests.known().get(name)
    if found is None:
        raise UsageError(f"There is no model called {shown(name)}.", "faceplate models list")
    return found


def _by_hand(found: Manifest, name: str) -> str:
    file = found.file or f"{name}.onnx"
    pin = f" (SHA-256 {found.sha256})" if found.sha256 else ""
    source = found.url or found.origin or "its publisher"
    kept = shown(store.place_of(name).model)
    return f"Bring {file}{pin} from {source}, then: faceplate models add {file} --as {name}. It is kept as {kept}."


def _verdict(name: str, path: Path, sha256: str, remedy: str) -> Verdict:
    try:
        same = sha256_of(path) == sha256
    except ModelError as error:
        return Verdict(name, False, error.message, remedy)
    return Verdict(name, same, f"{shown(path)} is {'what it was' if same else 'changed: its SHA-256 differs'}.",
                   "" if same else remedy)  # fmt: skip


def _bundled_entry(name: str) -> Entry:
    return Entry(name, "bundled", "analysis", MODELS[name].licence, "yes")


def _entry(found: Manifest, name: str, state: State) -> Entry:
    return Entry(name, state, found.family, found.licence or "unknown", found.for_commercial_use)


def _details(found: Manifest, name: str, state: State, file: str, accepted: store.Acceptance | None) -> Details:
    entry, plain = _entry(found, name, state), msgspec.to_builtins(found)
    shapes = {
        kind: "; ".join(
            f"{port.name or '(by its place)'}: {port.role} {list(port.shape)} {port.type}" for port in ports
        )
        for kind, ports in (("inputs", found.inputs), ("outputs", found.outputs))
    }
    return Details(entry, found.origin, file, found.sha256, consent_of(found), accepted, plain | shapes)
