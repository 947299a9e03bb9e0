"""The problem kinds that any HTTP server has, whatever it serves."""

from kits.web.problems.details import ProblemKind


def _kind(status: int, code: str, title: str, meaning: str, retry: int | None = None) -> ProblemKind:
    return ProblemKind(code=code, status=status, title=title, meaning=meaning, retry_after_seconds=retry)


HTTP_PROBLEMS: tuple[ProblemKind, ...] = (
    _kind(
        400,
        "bad_request",
        "The request is not valid HTTP",
        "The request line, a header or the framing of the body breaks RFC 9112. The connection is closed.",
    ),
    _kind(
        400,
        "malformed_body",
        "The body is not JSON",
        "The body is empty, cut off, not UTF-8, not JSON, nested too deeply, or names a member twice in one "
        "object. Nothing was done.",
    ),
    _kind(401, "unauthenticated", "A bearer token is required", "Send `Authorization: Bearer <token>`."),
    _kind(
        401,
        "invalid_token",
        "The bearer token is not accepted",
        "The token has expired, was made for another service, or its signature is wrong. Get a new one.",
    ),
    _kind(403, "forbidden", "The token does not allow this", "The token lacks the scope that is needed."),
    _kind(404, "not_found", "There is nothing at this address", "No resource has this path."),
    _kind(
        405,
        "method_not_allowed",
        "This method is not possible here",
        "The header `Allow` lists the methods that are.",
    ),
    _kind(
        408,
        "request_timeout",
        "The request came too slowly",
        "The whole request must arrive within seconds. The connection is closed.",
    ),
    _kind(
        413,
        "payload_too_large",
        "The body is too large",
        "`limit` is the number of bytes that a body may have.",
    ),
    _kind(414, "uri_too_long", "The address is too long", "Path and query together exceed the limit."),
    _kind(
        415,
        "unsupported_media_type",
        "The body must be JSON",
        "Send `Content-Type: application/json`, without a content encoding.",
    ),
    _kind(
        422,
        "invalid_request",
        "The request breaks a rule",
        "`errors` says which fields or parameters are wrong, and why. Correct them and send it again.",
    ),
    _kind(429, "rate_limited", "Too many requests", "Wait as long as `Retry-After` says.", 1),
    _kind(431, "headers_too_large", "The headers are too large", "All headers together exceed the limit."),
    _kind(
        500,
        "internal_error",
        "Something went wrong here",
        "A fault of the service, not of the request. Report it with its `traceId`.",
    ),
    _kind(
        503,
        "overloaded",
        "The service is busy",
        "Nothing was done. Send the same request again after `Retry-After` seconds.",
        1,
    ),
    _kind(
        503,
        "shutting_down",
        "The service is stopping",
        "It stopped before the request was finished. Whether it was done is unknown: look, or send it again.",
        1,
    ),
)

_CODES = {kind.status: kind.code for kind in reversed(HTTP_PROBLEMS)}


def code_of_status(status: int) -> str:
    """The general code of an HTTP status; of an unlisted one `bad_request` if 4xx, else `internal_error`."""
    return _CODES.get(status) or ("bad_request" if 400 <= status < 500 else "internal_error")
