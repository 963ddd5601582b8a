"""A pod template of a release and the role that its pods play."""


class PodRole:
    """Where a pod template stands, the role of its pods and why; role and reason are empty where nothing tells.

    ``part`` tells several templates of one object apart, ``pointer`` leads to the template from its document's root.
    ``conflict`` names the signal that lost, ``sidecar`` says whether the role's settings are written to the pods.
    """

    __slots__ = (
        "api_version",
        "conflict",
        "document",
        "kind",
        "name",
        "namespace",
        "part",
        "pointer",
        "reason",
        "role",
        "sidecar",
    )

    def __init__(
        self,
        *,
        document: int,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        part: str,
        pointer: str,
        role: str,
        reason: str,
        conflict: str,
        sidecar: bool,
    ) -> None:
        self.document = document
        self.api_version = api_version
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.part = part
        self.pointer = pointer
        self.role = role
        self.reason = reason
        self.conflict = conflict
        self.sidecar = sidecar
