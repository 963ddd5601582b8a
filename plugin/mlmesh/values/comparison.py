"""Values of two environments beside each other, leaf by leaf."""

import json

from mlmesh.model.differences import ValueChange
from mlmesh.model.values import leaves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.model.values import Leaf, Map


def compare_values(left: "Map", right: "Map") -> list[ValueChange]:
    """The leaves that differ, by path. To JSON true is not 1, and a map's keys have no order."""
    one, other = dict(leaves(left)), dict(leaves(right))
    changes = []
    for path in sorted(one.keys() | other.keys()):
        a, b = one.get(path), other.get(path)
        if a is None or b is None or _json(a) != _json(b):
            changes.append(ValueChange(path, a, b))
    return changes


def _json(value: "Map | Leaf") -> str:
    return json.dumps(value.plain(), sort_keys=True)
