"""What a stream may ask of the reader: each limit keeps a hostile megabyte below a second of CPU."""

MAX_DEPTH = 200
"""Levels of maps and lists in one document. Go takes 10,000; the deepest real manifest seen has 30."""

MAX_NODES = 100_000
"""Keys, values, maps and lists that a stream may hold in its parsed documents, or the next limit if that is more."""

BYTES_PER_NODE = 6
"""A large stream may hold one node for so many bytes: minified JSON has one for 6.5, manifests for 10 and more."""

SPECIAL_COST = 2
"""What a node counts for in a document that may hold aliases or tags: reading it takes twice as long."""

MAX_MARKED_NODES = 30_000
"""Keys, values and ends of a document to be edited that has aliases or tags: telling those is three times as dear."""

FREE_ALIASES = 100
FREE_NODES = 1_000
ALIAS_RATIO_LOW = 400_000
ALIAS_RATIO_HIGH = 4_000_000
"""Go's own limits on aliases, by the number of nodes with every alias expanded: see `allowed_alias_ratio`."""

MAX_KEY = 1_000
"""Characters of a key that the editor writes, quotes and escapes included: YAML stops at 1,024."""


def allowed_alias_ratio(nodes: int) -> float:
    """Which part of a document's nodes may come from aliases in go-yaml: 99 % of up to 400,000, 10 % of 4,000,000."""
    if nodes <= ALIAS_RATIO_LOW:
        return 0.99
    if nodes >= ALIAS_RATIO_HIGH:
        return 0.10
    return 0.99 - 0.89 * (nodes - ALIAS_RATIO_LOW) / (ALIAS_RATIO_HIGH - ALIAS_RATIO_LOW)


def allowed_nodes(size: int) -> int:
    """How many nodes may be parsed out of a stream of ``size`` bytes."""
    return max(MAX_NODES, size // BYTES_PER_NODE)
