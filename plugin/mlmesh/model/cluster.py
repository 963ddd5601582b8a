"""What was read from a running cluster, for a report to tell."""


class Reading:
    """The objects of one kind. ``resource`` is its name for kubectl: ``gateways.networking.istio.io``.

    ``namespaces`` are those that they were read in (None: in all). ``problem`` says why some could not be read, empty
    where all could: then what is absent is absent.
    """

    __slots__ = ("count", "group", "kind", "namespaced", "namespaces", "problem", "resource")

    def __init__(self, resource: str, group: str, kind: str, *, namespaced: bool) -> None:
        self.resource = resource
        self.group = group
        self.kind = kind
        self.namespaced = namespaced
        self.count = 0
        self.namespaces: list[str] | None = None
        self.problem = ""


class Istiod:
    """One pod of Istio's control plane; ``version`` is its image's tag, ``ready`` what its condition says."""

    __slots__ = ("image", "name", "namespace", "ready", "revision", "version")

    def __init__(self, namespace: str, name: str, *, revision: str, image: str, ready: bool) -> None:
        self.namespace = namespace
        self.name = name
        self.revision = revision
        self.image = image
        last = image.partition("@")[0].rpartition("/")[2]
        self.version = last.partition(":")[2]
        self.ready = ready


class Webhook:
    """One webhook of an injector: whom it is asked about, as the selectors of its configuration say."""

    __slots__ = ("configuration", "name", "namespaces", "objects", "revision", "tag")

    def __init__(
        self,
        configuration: str,
        name: str,
        *,
        revision: str,
        tag: str,
        namespaces: "dict[str, object]",
        objects: "dict[str, object]",
    ) -> None:
        self.configuration = configuration
        self.name = name
        self.revision = revision
        self.tag = tag
        self.namespaces = namespaces
        self.objects = objects


class Live:
    """What one run read: where, which kinds, and what injects sidecars there.

    ``context`` and ``server`` tell the cluster, without credentials; ``namespace`` is that of objects that name none.
    ``unknown`` are kinds that the cluster does not know. ``istiod`` and ``webhooks`` are None where they could not be
    read. ``unserved`` are (namespace, label) of the release whose pods no webhook is asked about.
    """

    __slots__ = ("context", "istiod", "namespace", "readings", "server", "unknown", "unserved", "webhooks")

    def __init__(self, context: str, server: str, namespace: str) -> None:
        self.context = context
        self.server = server
        self.namespace = namespace
        self.readings: list[Reading] = []
        self.unknown: list[str] = []
        self.istiod: list[Istiod] | None = None
        self.webhooks: list[Webhook] | None = None
        self.unserved: list[tuple[str, str]] = []

    @property
    def title(self) -> str:
        """The cluster as a person names it: ``context prod, https://10.0.0.1:6443``."""
        return ", ".join(part for part in (f"context {self.context}" if self.context else "", self.server) if part)

    @property
    def revisions(self) -> list[str]:
        """The revisions that an istiod or a webhook has."""
        return sorted({each.revision for each in (*(self.istiod or ()), *(self.webhooks or ())) if each.revision})

    @property
    def tags(self) -> list[str]:
        """The tags by which namespaces name a revision."""
        return sorted({each.tag for each in self.webhooks or () if each.tag})
