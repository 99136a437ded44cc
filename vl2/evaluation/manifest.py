"""Manifest: all that the answers of a run depend on. Kept as `manifest.json`; a run goes on only where it is equal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.core.settings import build, load_json
from vl2.evaluation.answerers.answerer import Identity
from vl2.evaluation.log import write_whole
from vl2.evaluation.summary import Degradation

FILE = "manifest.json"
# What may change between two starts of one run: names, where the rows lie, how many are wanted, how they are scored.
FREE = ("data", "format", "limit", "dialect", "identity.model", "identity.activated_parameters")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One task asked of one model in one way."""

    task: str
    profile: str
    prompt: str  # hash of the profile's rule and of the first rendered prompt; every answer's key holds its own prompt
    identity: Identity
    data: str
    split: str = ""
    format: str | None = None
    limit: int = 0
    dialect: str | None = None  # None takes the one that goes with the profile
    degradation: Degradation | None = None
    code: str = ""  # version of this package


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a run. Raises VL2Error when there is none."""
    if not (folder / FILE).is_file():
        raise VL2Error(str(folder), f"holds no {FILE}", do="Give the folder of one task of a run: OUT/TASK.")
    return build(Manifest, load_json(folder / FILE), thing=str(folder / FILE))


def keep_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest, or compare it with the one that is there. Raises VL2Error when they differ."""
    if (folder / FILE).is_file():
        found = flatten(asdict(read_manifest(folder)))
        wanted = flatten(asdict(manifest))
        for name in {**found, **wanted}:
            if name not in FREE and found.get(name) != wanted.get(name):
                raise VL2Error(
                    str(folder), f"holds answers of another {name}", got=_short(wanted.get(name)),
                    expected=_short(found.get(name)), do="Drop them with --restart, or give another --out.",
                )  # fmt: skip
    write_whole(folder / FILE, (json.dumps(asdict(manifest), indent=2) + "\n").encode())


def flatten(values: dict, above: str = "") -> dict[str, object]:
    """Return nested values under dotted names."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{above}{name}.") if isinstance(value, dict) else {above + name: value}
    return flat


def _short(value: object) -> str:
    return str(value)[:80]
