"""Finds the model that a recipe names: one that is installed, or a file with its manifest beside it."""

from pathlib import Path

from engine.errors import ModelError
from engine.events import shown
from engine.models import manifest as manifests
from engine.models import store
from engine.models.brought import Brought, open_brought
from engine.models.manifest import Family, Manifest
from engine.shot import is_model_file


def open_named(name: str, *families: Family) -> Brought:
    """Open the model called `name`, or at that path, which must be of one of the families.

    Raises ModelError: where it is not installed, the remedy says which file to bring from where, and how to install it.
    """
    return open_brought(*locate(name, *families))


def locate(name: str, *families: Family) -> tuple[Path, Manifest]:
    """The file and the manifest of the model that `open_named` opens; raises as it does."""
    path, manifest = _located(name)
    if manifest.family not in families:
        raise ModelError(
            f"The model {shown(name)} is of the family {manifest.family}; here one of {', '.join(families)} is needed.",
            "faceplate models list",
        )
    return path, manifest


def _located(name: str) -> tuple[Path, Manifest]:
    if is_model_file(name):
        path = Path(name)
        return path, manifests.read(path.with_suffix(".toml"))
    known = manifests.known().get(name)
    place = store.place_of(name)
    if place.model.exists() and place.manifest.exists():
        return place.model, manifests.read(place.manifest)
    if known is None:
        raise ModelError(f"There is no model called {shown(name)}.", "faceplate models list")
    file = known.file or f"{name}.onnx"
    raise ModelError(
        f"The model {name} is not installed: {shown(place.model)} is not there.",
        f"Bring {file} from {known.url or known.origin}, then: faceplate models add {file} --as {name}",
    )
