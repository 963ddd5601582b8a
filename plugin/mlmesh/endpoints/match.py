"""From what a route matches to the types of endpoint that it lets through.

One rule for every kind of route. An exact path has the type of its longest known tail. A prefix tells a type where it
ends in a known tail, or in the part of tails before an id if those are of one type (``/predictions``); the types whose
tails go on from there come with it. One that ends elsewhere (``/``, ``/v1``) tells nothing, nor does one that ends in
a listing with other types below it (``/v1/models``: clients call what is below). A regular expression is taken apart
into the paths and prefixes that it stands for, and tells a type where each of them does.
"""

from functools import lru_cache

from mlmesh.endpoints.tails import ANY, EVERY_METHOD, ID, METHODS, REST, Index, Tail, Words, index, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlmesh.endpoints.catalogue import EndpointType
    from mlmesh.graph.route import Match

    # The types (most specific first; none where nothing tells), why, and the names of those that only come with them.
    Told = tuple[tuple[EndpointType, ...], str, tuple[str, ...]]

UNSURE = " (may be "  # begins what a reason says of a tail that other servers have, too
UNSEEN = " has a query or a fragment, which no match sees"  # ends a reason
FORMS = {"exact": "exact", "prefix": "prefix", "path-prefix": "PathPrefix", "regex": "regex"}


def types_of(match: "Match") -> "Told":
    """The types that one match of any kind of route lets through, why, and the names of those that only come along.

    Types that come along are among the types, since a rule's block binds them too; ``admin`` only by name, since it is
    to be denied and has no block. Raises ValueError for a regular expression that RE2 cannot compile.
    """
    if match.form not in FORMS:
        return (), "any path", ()
    ignore_case = match.data.get("ignoreUriCase") is True  # Envoy knows none for a regex: expand says what it has
    return _told(match.form, match.path, _methods(match.data.get("method")), ignore_case=ignore_case)


def types_of_rule(matches: "Iterable[Match]") -> "Told":
    """The types of all of a rule's matches together; none where one of them, or no match, tells nothing."""
    types: dict[EndpointType, None] = {}
    mix: dict[str, None] = {}
    reasons = []
    for match in matches:
        found, reason, along = types_of(match)
        if not found:
            return (), reason, ()
        types |= dict.fromkeys(found)
        mix |= dict.fromkeys(along)
        reasons.append(reason)
    chosen = _without_admin(types)
    mix |= {kind.name: None for kind in types if kind not in chosen}
    return tuple(chosen), " and ".join(reasons) or "no match", tuple(mix)


def types_of_path(path: str, method: str = "") -> "Told":
    """The types of a request for one path, or with one gRPC method: ``/package.Service/Method``."""
    return _told("exact", path, _methods(method or None), ignore_case=False)


def types_of_method(path: str) -> "Told":
    """The types of a gRPC method, ``/package.Service/Method``, or of all methods of ``/package.Service``."""
    known = index(ignore_case=False)
    kinds = tuple(dict.fromkeys(_grpc("exact", path, known) or known.services.get(path.removesuffix("/"), {}).values()))
    return kinds, f"gRPC {path}", ()


def _methods(asked: object) -> frozenset[str]:
    """The HTTP methods that a route's match or a person names; HEAD is a GET without its body."""
    if isinstance(asked, str):
        return frozenset(["GET" if asked.upper() == "HEAD" else asked.upper()])
    if not isinstance(asked, dict):
        return EVERY_METHOD
    exact, prefix, regex = (asked.get(form) for form in ("exact", "prefix", "regex"))
    if isinstance(exact, str):
        return _methods(exact)
    if isinstance(prefix, str):
        return frozenset(method for method in METHODS if method.startswith(prefix))
    if isinstance(regex, str):
        spelt, _ = _expanded(regex)
        return EVERY_METHOD if any(ANY in text or REST in text for text in spelt) else frozenset(spelt)
    return EVERY_METHOD


@lru_cache(4096)
def _told(form: str, path: str, methods: frozenset[str], *, ignore_case: bool) -> "Told":
    shown = f"{FORMS[form]} {path}"
    cases = [(form, path)]
    if form == "regex":
        spelt, ignore_case = _expanded(path)
        cases = [_case(text) for text in spelt]
    cases = [case for case in cases if "?" not in case[1] and "#" not in case[1]]
    if not cases:
        return (), f"{shown}{UNSEEN}", ()
    own: dict[EndpointType, None] = {}
    along: dict[EndpointType, None] = {}
    unsure: dict[str, None] = {}
    known = index(ignore_case=ignore_case)
    for of_form, text in cases:
        found = _Case(of_form, text.lower() if ignore_case else text, methods, known)
        if not found.own:
            return (), f"{shown}{found.why or ' is of no known type'}", ()
        own |= dict.fromkeys(found.own)
        along |= dict.fromkeys(found.along)
        unsure |= dict.fromkeys(found.unsure)
    mix = [kind for kind in along if kind not in own]
    chosen = _without_admin(own)
    mix += [kind for kind in own if kind not in chosen]
    reason = shown + (f", which takes {_listed(mix)} too" if mix else "")
    reason += f"{UNSURE}{'; '.join(unsure)})" if unsure else ""
    types = (*chosen, *(kind for kind in mix if kind.name != "admin"))
    return types, reason, tuple(kind.name for kind in mix)


def _without_admin(types: "Iterable[EndpointType]") -> "list[EndpointType]":
    """One that is to be denied does not choose the block of the others, if there are any."""
    found = list(types)
    return [kind for kind in found if kind.name != "admin"] or found


def _expanded(regex: str) -> tuple[list[str], bool]:
    from mlmesh.endpoints.regex import expand

    try:
        return expand(regex)
    except ValueError as error:
        shown = regex[:200] if regex.isprintable() else repr(regex[:200])
        raise ValueError(f"{shown}, which RE2 cannot compile: {error}") from None


def _case(text: str) -> tuple[str, str]:
    """One path that a regular expression stands for, as a form and its value; what ends anyhow is a prefix."""
    end = text.rstrip(ANY + REST)
    return ("exact", text) if end == text else ("prefix", end)


class _Case:
    """What one path or prefix tells: its ``own`` types, those that come ``along``, and ``why`` there are none."""

    __slots__ = ("along", "own", "unsure", "why")

    def __init__(self, form: str, path: str, methods: frozenset[str], known: Index) -> None:
        self.why = ""
        self.along: list[EndpointType] = []
        self.unsure: list[str] = []
        self.own: list[EndpointType] = _grpc(form, path, known) if "POST" in methods else []
        if self.own:
            return
        if form == "prefix" and path.endswith("/"):
            form = "path-prefix"  # only whole elements can follow
        words = known.words(path.removesuffix("/"))
        tails = _longest(tail for tail in known.fitting(words) if tail.methods & methods)
        reach = min((_reach(words, tail) for tail in tails), default=0)
        if form != "exact" and not tails:
            tails = _before_an_id(words, methods, known)
            reach = min((tail.words.index(ID) for tail in tails), default=0)
        self.own = _kinds(tails)
        self.unsure = [tail.kind.unsure[tail.text] for tail in tails if tail.text in tail.kind.unsure]
        if form == "exact":
            self.along = _kinds(_spelt(tails, words, methods, known))
        elif tails:
            self.along = _kinds(_going_on(words, reach, methods, known, raw=form == "prefix"))
            others = [kind for kind in self.along if kind not in self.own]
            called = any(kind.name != "admin" for kind in others)
            if called and all(kind.name == "metadata" for kind in self.own):
                self.own, self.why = [], f" stands above paths of {_listed(others)}: nothing tells which are called"


def _listed(kinds: "Iterable[EndpointType]") -> str:
    *most, last = (kind.name for kind in kinds)
    return f"{', '.join(most)} and {last}" if most else last


def _kinds(tails: "Iterable[Tail]") -> "list[EndpointType]":
    return list(dict.fromkeys(tail.kind for tail in tails))


def _longest(tails: "Iterable[Tail]") -> list[Tail]:
    found = list(tails)
    most = max((tail.letters for tail in found), default=0)
    return [tail for tail in found if tail.letters == most]


def _grpc(form: str, path: str, known: Index) -> "list[EndpointType]":
    """The types of gRPC methods that a path or prefix names; ``/ANY/Method`` is that method of any service."""
    service, _, method = path.rpartition("/")
    if "." not in path and ANY not in path and REST not in path:
        return []  # every service of the catalogue is of some package
    if form == "exact":
        if service in (f"/{ANY}", f"/{REST}"):
            return known.methods.get(f"/{method}", [])
        kind = known.services.get(service, {}).get(method)
        return [kind] if kind else []
    if path in known.services:
        service, method = path, ""
    whole = form == "path-prefix" and method
    return list(
        dict.fromkeys(
            kind
            for name, kind in known.services.get(service, {}).items()
            if (name == method if whole else name.startswith(method))
        )
    )


def _before_an_id(path: Words, methods: frozenset[str], known: Index) -> list[Tail]:
    """The tails that a prefix ends just before the id of, if all are of one type and plainly of it."""
    found = [
        tail
        for tail, at in known.places(path[-1])
        if tail.words[at + 1 : at + 2] == (ID,)
        and ID not in tail.words[: at + 1]
        and path[-at - 1 :] == tail.words[: at + 1]
        and tail.methods & methods
    ]
    plain = len(_kinds(found)) == 1 and not any(tail.text in tail.kind.unsure for tail in found)
    return found if plain else []


def _reach(path: Words, tail: Tail) -> int:
    """How many of a path's last words a tail that fits speaks of."""
    if tail.tree < 0:
        return len(tail.words)
    root = tail.words[: tail.tree]
    starts = [at for at in range(len(path)) if path[at : at + len(root)] == root]
    return len(path) - starts[-1]


def _going_on(path: Words, reach: int, methods: frozenset[str], known: Index, *, raw: bool) -> "Iterator[Tail]":
    """The tails that go on where a prefix ends: with a further element or, of a raw one, in the same word.

    Only those that hold all of what the prefix was known by, its last ``reach`` words.
    """
    last = path[-1]
    through = [(tail, at) for tail in known.having(*path) for at, word in enumerate(tail.words) if word == ID]
    for places in (known.places(last) if last != ID else through, through):  # a tail begins with a word of its own
        for tail, at in places:
            further = at + 1 < len(tail.words) and (raw or tail.words[at + 1][0] == "/")
            if further and at + 1 >= reach and tail.methods & methods and _aligned(path, tail.words[: at + 1]):
                yield tail
    if raw and len(last) > 1:
        longer: dict[str, list[Tail]] = {}
        for tail in known.having(last):
            for at, word in enumerate(tail.words):
                if word.startswith(last) and word != last and word[0] == "/":
                    tails = longer.setdefault(word, [])
                    if at + 1 >= reach and tail.methods & methods and _aligned(path[:-1], tail.words[:at]):
                        tails.append(tail)
        for tails in longer.values():
            yield from tails


def _aligned(path: Words, wanted: Words) -> bool:
    return len(path) >= len(wanted) and all(map(same, path[len(path) - len(wanted) :], wanted))


def _spelt(own: list[Tail], path: Words, methods: frozenset[str], known: Index) -> "Iterator[Tail]":
    """Longer tails that end as a path's own does, where ANY or REST before it can spell what they have in front."""
    for mine in own:
        before = path[: len(path) - len(mine.words)]
        if not any(ANY in word or REST in word for word in before):
            continue
        for tail in known.tails:
            more = len(tail.words) - len(mine.words)
            longer = more > 0 and tail.words[more:] == mine.words and tail.methods & methods
            if longer and _can_be(before, tail.words[:more]):
                yield tail


def _can_be(path: Words, wanted: Words) -> bool:
    for at in range(1, len(wanted) + 1):
        if at > len(path):
            return False
        word = path[-at]
        if REST in word:
            return True
        front, some, end = word.partition(ANY)
        want = wanted[-at]
        if some:
            end = end.rpartition(ANY)[2]
            if want != ID and not (want.startswith(front) and want.endswith(end)):
                return False
        elif not same(word, want):
            return False
    return True
