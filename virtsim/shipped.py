"""YAML files that virtsim ships: read once, then kept as JSON, which is read in no time."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from virtsim import cache


def read_yaml(package: str, name: str) -> Any:
    """Return what a file of ``package`` says, as plain mappings, lists and scalars.

    It has string keys and no dates, so that JSON says the same.
    """
    text = resources.files(package).joinpath(name).read_bytes()
    kept = cache.load(f"{name}.json", text)
    if kept is not None:
        return json.loads(kept)
    # Imported here: it is not needed again.
    from ruamel.yaml import YAML

    said = YAML(typ="safe").load(text.decode("utf-8"))
    cache.store(f"{name}.json", text, json.dumps(said).encode())
    return said
