"""The wire: heads that a careful server refuses."""

import pytest

from kits.web.server.wire import HEAD_TOO_LARGE, TOO_SLOW, check_head, raw_answer

HOST = (b"host", b"shop")


def test_an_ordinary_head_is_taken() -> None:
    assert check_head(version="1.1", url=b"/", headers=[HOST], upgrade=False) is None
    assert check_head(version="1.0", url=b"/", headers=[], upgrade=False) is None
    chunked = (b"transfer-encoding", b"Chunked")
    assert check_head(version="1.1", url=b"/", headers=[HOST, chunked], upgrade=False) is None


@pytest.mark.parametrize(
    ("version", "url", "headers", "upgrade", "code"),
    [
        ("0.9", b"/", [], False, "bad_request"),
        ("2.0", b"/", [HOST], False, "bad_request"),
        ("1.1", b"/", [], False, "bad_request"),
        ("1.1", b"/", [HOST, HOST], False, "bad_request"),
        ("1.1", b"/", [HOST], True, "bad_request"),
        ("1.0", b"/", [HOST, (b"transfer-encoding", b"chunked")], False, "bad_request"),
        ("1.1", b"/", [HOST, (b"transfer-encoding", b"gzip, chunked")], False, "bad_request"),
        ("1.1", b"/", [HOST, (b"transfer-encoding", b"\x0bchunked")], False, "bad_request"),
        ("1.1", b"/", [HOST] + [(b"transfer-encoding", b"chunked")] * 2, False, "bad_request"),
        ("1.1", b"/" * 9000, [HOST], False, "uri_too_long"),
        ("1.1", b"/", [HOST] + [(b"x", b"")] * 100, False, "headers_too_large"),
        ("1.1", b"/", [HOST, (b"x", b"y" * 16384)], False, "headers_too_large"),
    ],
)
def test_a_head_that_two_servers_may_read_differently_is_refused(
    version: str, url: bytes, headers: list[tuple[bytes, bytes]], upgrade: bool, code: str
) -> None:
    refusal = check_head(version=version, url=url, headers=headers, upgrade=upgrade)
    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize("refusal", [HEAD_TOO_LARGE, TOO_SLOW])
def test_a_refusal_before_the_application_is_a_problem_too(refusal: object) -> None:
    head, _, body = raw_answer(refusal).partition(b"\r\n\r\n")  # type: ignore[arg-type]
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert b"content-length: %d" % len(body) in head
