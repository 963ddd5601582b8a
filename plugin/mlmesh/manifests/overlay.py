"""What a document is to become: its nodes with the operations laid over them, before any text is made.

An untouched part stays a node; what a path goes through is a Branch; what an operation brought is Fresh.
"""

from yaml.nodes import MappingNode, SequenceNode

from mlmesh.manifests.nodes import Alias
from mlmesh.manifests.patching import change, copied, index, no_path, split
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.manifests.tree import Tree
    from mlmesh.model.patches import Operation


class Fresh:
    """A new value. ``index`` is the item of the original list that it replaces, -1 for an inserted one."""

    __slots__ = ("index", "value")

    def __init__(self, value: "Any", index: int = -1) -> None:
        self.value = value
        self.index = index


class Branch:
    """An original map, list or aliased map with something changed in it; ``data`` is Go's reading of the original.

    In a map ``changes`` has a Fresh, a Branch, or None for a removed key. In a list ``items`` has the indices of
    original items, Branches and Fresh ones, in their new order. ``index`` is its own place in a list around it.
    """

    __slots__ = ("changes", "data", "index", "items", "node")

    def __init__(self, node: "Any", data: "Any", index: int = -1) -> None:
        self.node = node
        self.data = data
        self.index = index
        self.changes: dict[str, Fresh | Branch | None] = {}
        self.items: list[int | Fresh | Branch] = list(range(len(data))) if isinstance(data, list) else []

    def holds(self, key: str) -> bool:
        """Whether a map has the key after the changes so far."""
        return self.changes[key] is not None if key in self.changes else key in self.data


class NotEditableError(InputError):
    """A place that cannot be changed in the text without changing another one, too.

    ``pointer`` is the change's, or "" where ``node`` is what stands in its way.
    """

    def __init__(self, what: str, *, remedy: str, node: "Any" = None) -> None:
        super().__init__(what, remedy=remedy)
        self.node = node
        self.pointer = ""


def overlay(tree: "Tree", data: "Any", operations: "Sequence[Operation]") -> Branch:
    """The document's root with all operations laid over it.

    Raises NotEditableError for what the text does not allow, DefectError for paths that lead nowhere.
    """
    root = _branch(tree.root, data, -1)
    above: list[str] = []
    at: Any = root
    for operation in operations:
        path = operation["path"]
        *parents, name = split(path)
        try:
            if parents != above:  # what an operation changes is below the place that the next one goes to again
                at = root
                for parent in parents:
                    at = _step(tree, at, parent, path)
                above = parents
            _apply(tree, at, name, operation)
        except NotEditableError as error:
            error.pointer = path
            raise
    return root


def _apply(tree: "Tree", at: "Any", name: str, operation: "Operation") -> None:
    """One operation on the map or list that holds its target: a Branch, or a plain value inside a Fresh one."""
    path = operation["path"]
    if not isinstance(at, Branch):
        if not isinstance(at, (dict, list)):
            raise no_path(path)
        token: str | int = name if isinstance(at, dict) else index(name, len(at), path, end=operation["op"] == "add")
        change(at, token, operation)
    elif isinstance(at.data, dict):
        _change_map(tree, at, name, operation)
    else:
        _change_list(tree, at, name, operation)


def _step(tree: "Tree", at: "Any", token: str, path: str) -> "Any":
    """What a path goes to next: a Branch, or a plain value inside a Fresh one."""
    if isinstance(at, dict):
        if token not in at:
            raise no_path(path)
        return at[token]
    if isinstance(at, list):
        return at[index(token, len(at), path, end=False)]
    if not isinstance(at, Branch):
        raise no_path(path)
    if isinstance(at.data, list):
        place = index(token, len(at.items), path, end=False)
        item = at.items[place]
        if isinstance(item, int):
            item = at.items[place] = _branch(at.node.value[item], at.data[item], item)
        return item.value if isinstance(item, Fresh) else item
    if not at.holds(token):
        raise no_path(path)
    found = at.changes[token] if token in at.changes else _child(tree, at, token)
    return found.value if isinstance(found, Fresh) else found


def _child(tree: "Tree", at: Branch, key: str) -> Branch:
    """The Branch of an original map's entry."""
    own = None if type(at.node) is Alias else tree.entries(at.node).last.get(key)
    if own is None or tree.merges(at.node, key, own):
        raise _merged(key)
    branch = at.changes[key] = _branch(at.node.value[own][1], at.data[key], -1)
    return branch


def _merged(key: str) -> NotEditableError:
    return NotEditableError(
        f"the key {key!r} comes through an alias or a merge key", remedy="write the map out at this place"
    )


def _branch(node: "Any", data: "Any", index: int) -> Branch:
    if not isinstance(data, (dict, list)):
        raise no_path("")
    if type(node) is Alias:
        if not isinstance(data, dict):
            raise NotEditableError("a change inside an aliased list", remedy="write the list out at this place")
    else:
        _own(node)
    return Branch(node, data, index)


def _own(node: "Any") -> None:
    """Refuses a node that an alias shows elsewhere: a change in it would appear there too."""
    if getattr(node, "aliased", False):
        raise NotEditableError(
            f"a change inside the anchor &{node.anchor}, which is used elsewhere",
            remedy="write the value out at both places",
        )


def _change_map(tree: "Tree", at: Branch, key: str, operation: "Operation") -> None:
    removes = operation["op"] == "remove"
    if operation["op"] != "add" and not at.holds(key):
        raise no_path(operation["path"])
    if tree.special and tree.merges_odd(at.node, key):
        raise _merged(key)  # Go would have two keys, and chance would pick one
    if type(at.node) is Alias:
        if removes and key in at.data:
            raise _merged(key)
    elif tree.special:
        _check_entry(tree, at, key, removes=removes)
    at.changes[key] = None if removes else Fresh(copied(operation["value"]))


def _check_entry(tree: "Tree", at: Branch, key: str, *, removes: bool) -> None:
    """Refuses an entry whose change a merge key would hide, and one that holds an anchor in use."""
    entries = tree.entries(at.node)
    own = entries.last.get(key)
    if (removes and tree.merges(at.node, key)) or (own is not None and tree.merges(at.node, key, own)):
        raise _merged(key)
    for each in entries.all(key):
        for node in at.node.value[each]:
            _gone(tree, node)


def _change_list(tree: "Tree", at: Branch, token: str, operation: "Operation") -> None:
    place = index(token, len(at.items), operation["path"], end=operation["op"] == "add")
    if operation["op"] == "add":
        at.items.insert(place, Fresh(copied(operation["value"])))
        return
    found = at.items[place]
    original = found if isinstance(found, int) else found.index
    if original >= 0:
        _gone(tree, at.node.value[original])
    if operation["op"] == "remove":
        del at.items[place]
    else:
        at.items[place] = Fresh(copied(operation["value"]), original)


def _gone(tree: "Tree", node: "Any") -> None:
    """Refuses to take away a text that holds an anchor in use."""
    waiting = [node] if tree.special else []
    while waiting:
        node = waiting.pop()
        if type(node) is Alias:
            continue
        if getattr(node, "aliased", False):
            raise NotEditableError(
                f"the anchor &{node.anchor}, used elsewhere, would go", remedy="write the value out where it is used"
            )
        if type(node) is MappingNode:
            for pair in node.value:
                waiting.extend(pair)
        elif type(node) is SequenceNode:
            waiting.extend(node.value)


def settled(branch: Branch) -> "Fresh | None":
    """The plain value of a branch whose original entries or items are all gone, None where one is left."""
    if type(branch.node) is Alias:
        return None
    if isinstance(branch.data, list):
        fresh = [each.value for each in branch.items if isinstance(each, Fresh) and each.index < 0]
        return Fresh(fresh, branch.index) if len(fresh) == len(branch.items) else None
    changes = branch.changes
    if len(changes) < len(branch.data) or any(changes.get(key, branch) is not None for key in branch.data):
        return None
    return Fresh({key: each.value for key, each in changes.items() if isinstance(each, Fresh)}, branch.index)
