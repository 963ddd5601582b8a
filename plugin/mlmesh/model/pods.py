"""A pod template of a release and the role that its pods play."""


class PodRole:
    """Where a pod template stands, the role of its pods and why; both empty where nothing tells.

    ``pointer`` leads to the template from its document's root.
    """

    __slots__ = ("api_version", "document", "kind", "name", "namespace", "pointer", "reason", "role")

    def __init__(
        self,
        *,
        document: int,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        pointer: str,
        role: str,
        reason: str,
    ) -> None:
        self.document = document
        self.api_version = api_version
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.pointer = pointer
        self.role = role
        self.reason = reason
