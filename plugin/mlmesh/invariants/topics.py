"""Which module has which rules, and what tells that it has nothing to say: most releases need a few."""

from mlmesh.invariants.rule import PODS

ROUTES = ("VirtualService", "HTTPRoute", "GRPCRoute")
KSERVE = ("InferenceService", "LLMInferenceService")
ANY = "any"  # in place of a kind: every kind, for what documents that seem to be of one object are judged
ON_DEMAND = ("MLM003",)  # judged only where somebody asks

# Module, codes, and the kinds that its rules judge in the end; those of a rule that a stage notes are left out.
TOPICS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("access", ("MLM401", "MLM404"), ("AuthorizationPolicy",)),
    ("admin", ("MLM405",), ("VirtualService", "HTTPRoute")),
    ("ambient", ("MLM969",), ("Sidecar",)),
    ("annotations", ("MLM511", "MLM957"), ("Namespace", "Service")),
    ("attachments", ("MLM702", "MLM704"), ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")),
    ("authorizations", ("MLM406", "MLM408", "MLM409"), ("AuthorizationPolicy",)),
    ("bypasses", ("MLM110",), ("HTTPRoute", "VirtualService")),
    ("calls", ("MLM602", "MLM609"), ("InferencePool",)),
    ("claims", ("MLM107", "MLM108"), ("VirtualService",)),
    ("components", ("MLM513",), ("MeshPolicy",)),
    ("credentials", ("MLM966",), ("Gateway",)),
    ("denials", ("MLM402",), ROUTES),
    ("destinations", ("MLM105",), ROUTES),
    ("downloads", ("MLM507",), ()),
    ("duplicates", ("MLM903",), (ANY,)),
    ("durations", ("MLM219",), ("VirtualService", "HTTPRoute", "InferenceService")),
    ("egress", ("MLM801", "MLM802"), ("Sidecar", "ServiceEntry")),
    ("entries", ("MLM956",), ("ServiceEntry",)),
    ("entryports", ("MLM970",), ("ServiceEntry",)),
    ("envoyfilters", ("MLM963",), ("EnvoyFilter",)),
    ("filters", ("MLM705",), ("HTTPRoute", "GRPCRoute")),
    ("gatewayhosts", ("MLM955", "MLM967"), ("VirtualService", "Gateway")),
    ("gateways", ("MLM701", "MLM706"), ("Gateway",)),
    ("images", ("MLM960",), ()),
    ("injection", ("MLM501", "MLM508", "MLM510"), ("Namespace",)),
    ("layers", ("MLM307",), ("AuthorizationPolicy", "VirtualService")),
    ("lifecycle", ("MLM212", "MLM213", "MLM505", "MLM506"), ()),
    ("mirrors", ("MLM111", "MLM112"), ("VirtualService", "HTTPRoute")),
    ("mtls", ("MLM301",), ("DestinationRule",)),
    ("networkpolicies", ("MLM316",), ("NetworkPolicy",)),
    ("objectives", ("MLM220",), ("MeshPolicy",)),
    ("order", ("MLM109",), ("VirtualService",)),
    ("originations", ("MLM954",), ("DestinationRule",)),
    ("pickers", ("MLM601", "MLM611", "MLM612"), ("InferencePool",)),
    ("plaintext", ("MLM305",), ("Namespace",)),
    ("platform", ("MLM403",), ("AuthorizationPolicy",)),
    ("podspecs", ("MLM314", "MLM315"), ()),
    ("poolroutes", ("MLM606", "MLM607", "MLM608", "MLM613"), ("HTTPRoute", "GRPCRoute")),
    ("pools", ("MLM603", "MLM610"), ("InferencePool",)),
    ("ports", ("MLM303", "MLM311"), (PODS,)),
    ("protocols", ("MLM308", "MLM309", "MLM310"), ("GRPCRoute", "Service")),
    ("realtime", ("MLM214", "MLM215"), ("VirtualService", "HTTPRoute")),
    ("references", ("MLM102",), (*ROUTES, "DestinationRule")),
    ("rendered", ("MLM003",), ()),
    ("retries", ("MLM205", "MLM206"), ("VirtualService", "HTTPRoute")),
    ("scopes", ("MLM803", "MLM804"), ("Sidecar", "Namespace")),
    ("scraping", ("MLM302",), ("ServiceMonitor", "PodMonitor")),
    (
        "selectors",
        ("MLM951", "MLM953"),
        (
            "AuthorizationPolicy",
            "PeerAuthentication",
            "RequestAuthentication",
            "Telemetry",
            "WasmPlugin",
            "ProxyConfig",
            "EnvoyFilter",
            "Sidecar",
        ),
    ),
    ("servers", ("MLM958", "MLM959"), ("Gateway",)),
    ("services", ("MLM313", "MLM952"), ("Service",)),
    ("sidecars", ("MLM502", "MLM503", "MLM504", "MLM512"), (PODS,)),
    ("splits", ("MLM106",), ROUTES),
    ("strictness", ("MLM304", "MLM509"), ("PeerAuthentication", "Namespace")),
    ("subsets", ("MLM103", "MLM104"), ("VirtualService", "DestinationRule")),
    ("telemetries", ("MLM964", "MLM965"), ("Telemetry",)),
    ("timeouts", ("MLM201", "MLM202", "MLM203", "MLM207"), ("VirtualService", "HTTPRoute", *KSERVE)),
    ("tokenroutes", ("MLM961",), ("VirtualService",)),
    ("traffic", ("MLM101", "MLM210"), ("DestinationRule",)),
    ("unbounded", ("MLM208", "MLM209"), ("VirtualService", "HTTPRoute", "Gateway", "EnvoyFilter")),
    ("unsaid", ("MLM204", "MLM216", "MLM217", "MLM218"), (*ROUTES, *KSERVE)),
    (
        "unsupported",
        ("MLM950", "MLM968"),
        (
            "VirtualService",
            "DestinationRule",
            "CustomResourceDefinition",
            "ClusterRbacConfig",
            "RbacConfig",
            "ServiceRole",
            "ServiceRoleBinding",
        ),
    ),
    ("upgrades", ("MLM211",), ("DestinationRule", "Service")),
)
# What a topic has nothing to say without: a search costs less than a module. With a context every topic is asked, since
# what is needed may be there.
NEEDS: dict[str, tuple[str, ...]] = {  # one of these kinds
    "denials": ("AuthorizationPolicy",),
    "scopes": ("Sidecar",),
    "strictness": ("AuthorizationPolicy", "PeerAuthentication"),
}
MANY = 50  # Services: what each proxy holds of fewer is not worth a scope
# Nor has it without so many Services, unless a kind of its NEEDS is there.
CROWDS: dict[str, int] = {"scopes": MANY}
WORDS: dict[str, tuple[bytes, ...]] = {  # one of these words, in a document of a kind that it judges
    "annotations": (b".istio.io/",),
    "bypasses": (b"HTTPRoute", b"gateways"),
    "credentials": (b"credentialName", b"certificateRefs"),
    "durations": (b"imeout",),
    "filters": (b"ilters",),
    "gatewayhosts": (b"servers",),
    "injection": (b"istio-injection", b"istio.io/"),
    "mirrors": (b"irror",),
    "mtls": (b"tls",),
    "objectives": (b"objectives",),
    "originations": (b"SIMPLE", b"MUTUAL"),
    "plaintext": (b"istio-injection", b"istio.io/rev"),
    "poolroutes": (b"InferencePool",),
    "retries": (b"retries", b"backendRequest"),
    "servers": (b"servers",),
    "splits": (b"weight", b"VirtualService"),  # whose weights, left out, are 0
    "subsets": (b"subset",),
    "tokenroutes": (b"auth.claims", b"Auth.Claims"),
    "unsupported": (
        b"percent:",
        b'percent"',
        b"mirrorPercent",
        b"mirror_percent",
        b"allowOrigin",
        b"LEAST_CONN",
        b"minimumRingSize",
        b"warmupDurationSecs",
        b"consecutiveErrors",
        b"rbac.istio.io",
        b"autogenerated-k8s-gateway",
    ),
    "upgrades": (b"h2UpgradePolicy", b"http2", b"grpc", b"h2c"),
}
# Topics that judge a pod by itself, while its document is open; each with words of which its documents have one.
MARKED: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("podspecs", (b"1337", b"rewriteAppHTTPProbers")),
    ("injection", (b"sidecar.istio.io/inject", b"istio.io/rev", b"hostNetwork")),
    ("annotations", (b"istio.io/",)),
    ("downloads", (b"initContainers",)),
    ("images", (b"istio-proxy",)),
)
