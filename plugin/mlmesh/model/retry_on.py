"""Retry conditions as Istio takes them: a fixed list of Envoy's words, and status codes.

Source: istio/istio pkg/config/validation validateHTTPRetry, pilot/pkg/networking/core/route/retry parseRetryOn.
"""

HTTP_WORDS = (
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
)
GRPC_WORDS = ("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")

# The status codes that Go's net/http has a text for.
_CODES = (
    *((100, 103), (200, 208), (226, 226), (300, 305), (307, 308), (400, 418), (421, 426), (428, 429), (431, 431)),
    *((451, 451), (500, 508), (510, 511)),
)


def refused(text: str) -> str:
    """The first condition of a ``retryOn`` that istiod refuses; blanks count, since it does not trim. Empty: none."""
    for word in text.split(","):
        if word not in HTTP_WORDS and word not in GRPC_WORDS and not is_code(word):
            return word or "(nothing)"
    return ""


def is_code(word: str) -> bool:
    """Whether a condition is a status code."""
    return word.isdecimal() and any(low <= int(word) <= high for low, high in _CODES)
