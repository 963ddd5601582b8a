"""Values of two environments beside each other, leaf by leaf."""

from mlmesh.model.differences import ValueChange
from mlmesh.model.values import leaves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.model.values import Map


def compare_values(left: "Map", right: "Map") -> list[ValueChange]:
    """The leaves that differ, by path. To JSON true is not 1."""
    one, other = dict(leaves(left)), dict(leaves(right))
    changes = []
    for path in sorted(one.keys() | other.keys()):
        a, b = one.get(path), other.get(path)
        if a is None or b is None or repr(a.plain()) != repr(b.plain()):
            changes.append(ValueChange(path, a, b))
    return changes
