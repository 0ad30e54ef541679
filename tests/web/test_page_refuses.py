"""What a page's server refuses: other sites, other names, strangers, and what is too long or makes no sense."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.place import shot_of
from tests.web.hosting import Host, ask, hosted, state_of, until
from tests.wire.engines import EngineProcess

READS = ("state", "fields", "picture?frame=1001", "face?number=1", "person?folder=x")
ACTS = {
    "change": {"name": "mesh.shape", "value": 0.1},
    "assign": {"face": "1", "identity": ""},
    "people": {"folder": "/"},
    "find": {},
    "run": {},
    "cancel": {},
    "accept": {},
    "leave": {},
}


@pytest.fixture
def host(engine: EngineProcess, work: Path) -> Iterator[Host]:
    with hosted(engine, shot_of(work)) as host:
        yield host


@pytest.mark.parametrize("path", [*READS, *ACTS])
def test_nothing_without_the_token(host: Host, path: str) -> None:
    body = ACTS.get(path)
    for given in (None, "", "Bearer ", f"Bearer {host.token[:-1]}", f"Bearer {host.token}x", host.token, "Bearer é"):
        answer = ask(host, f"/api/{path}", body, Authorization=given and given.encode().decode("latin-1"))
        assert (answer.status, answer.plain["code"]) == (401, "no-page"), given
    assert ask(host, f"/api/{path}&token={host.token}", body, Authorization=None).status in (401, 404)
    assert state_of(host)["values"]["mesh.shape"] == 0.85 and state_of(host)["replace"]


@pytest.mark.parametrize("path", ["/", "/main.js", "/api/state"])
def test_only_by_its_own_name(host: Host, path: str) -> None:
    """A foreign name that is made to lead to loopback gets nothing."""
    port = host.port
    for name in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{port + 1}",
        f"[::1]:{port}",
        "",
        None,
    ):
        answer = ask(host, path, Host=name)
        assert answer.status in (400, 421) and host.token.encode() not in answer.body, name
    assert ask(host, path, Host=f"localhost:{port}").status == 200


def test_no_other_site_may_ask(host: Host) -> None:
    port = host.port
    others = ("http://evil.example", "null", f"http://127.0.0.1:{port + 1}", f"https://127.0.0.1:{port}")
    for origin in (*others, f"http://localhost:{port}"):
        for path, body in (("/", None), ("/api/state", None), ("/api/change", ACTS["change"])):
            answer = ask(host, path, body, Origin=origin)
            assert (answer.status, answer.plain["code"]) == (403, "wrong-origin"), (origin, path)
            assert not any(name.startswith("access-control") for name in answer.headers)
    for site in ("cross-site", "same-site", "none"):
        assert ask(host, "/api/state", Sec_Fetch_Site=site).status == 403
    assert state_of(host)["values"]["mesh.shape"] == 0.85
    own = ask(host, "/api/change", ACTS["change"], Origin=f"http://127.0.0.1:{port}", Sec_Fetch_Site="same-origin")
    assert own.status == 200 and own.plain["values"]["mesh.shape"] == 0.1


def test_asking_beforehand_gives_nobody_leave(host: Host) -> None:
    """A browser asks so before another site's script may send a token."""
    answer = ask(host, "/api/state", method="OPTIONS", Origin="http://evil.example", Authorization=None)
    assert answer.status == 403
    answer = ask(host, "/api/state", method="OPTIONS", Authorization=None)
    assert answer.status == 405 and not any(name.startswith("access-control") for name in answer.headers)


def test_headers_of_every_answer(host: Host) -> None:
    for answer in (ask(host, "/"), ask(host, "/api/state"), ask(host, "/nowhere"), ask(host, "/", Host="x")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'; img-src 'self' blob:;") and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "server" not in answer.headers


def test_the_files_hold_nothing_of_the_shot(host: Host, work: Path) -> None:
    for path in ("/", "/main.js", "/style.css"):
        answer = ask(host, path, Authorization=None)
        assert answer.status == 200
        assert str(work).encode() not in answer.body and host.token.encode() not in answer.body
    for path in ("/../app.py", "/%2e%2e/app.py", "/static/index.html", "/app.py", "//etc/passwd"):
        assert ask(host, path).status == 404


def test_bodies(host: Host) -> None:
    whole = b'{"name": "mesh.shape", "value": "' + b"x" * (65 << 10) + b'"}'
    assert ask(host, "/api/change", whole).status == 413
    assert ask(host, "/api/change", b"{}", Content_Type="text/plain").status == 415
    for body in (b"", b"{", b"[]", b'{"name": 1}', b"[" * 60000, b'"\xff"', b'{"name": "\\ud800"}'):
        answer = ask(host, "/api/change", body)
        assert (answer.status, answer.plain["code"]) == (400, "malformed"), body[:20]
    assert ask(host, "/api/state?after=x").status == 400
    for query in ("frame=x", "frame=1001&shows=all", "frame=1001&width=-1", "", "frame=" + "9" * 400):
        assert ask(host, f"/api/picture?{query}").status == 400, query
    assert state_of(host)["values"]["mesh.shape"] == 0.85


def test_settings_that_make_no_sense(host: Host) -> None:
    for name, value, words in (
        ("mesh.shape", 7, "from 0 to 1"),
        ("mesh.shape", None, "from 0 to 1"),
        ("view.exposure", "bright", "auto"),
        ("output.layers", ["x"], "patch"),
        ("output.path", "a\0b", "text"),
        ("mesh", {}, "no setting"),
        ("replace.identity", "/", "no setting"),
        ("replace", [], "no setting"),
    ):
        answer = ask(host, "/api/change", {"name": name, "value": value})
        assert answer.status == 409 and answer.plain["code"] == "recipe", name
        assert words in answer.plain["message"] + answer.plain["remedy"], name
    assert ask(host, "/api/assign", {"face": "1", "identity": "/etc"}).plain["code"] == "no-person"
    assert ask(host, "/api/person?folder=/etc").status == 409
    assert ask(host, "/api/people", {"folder": "relative"}).plain["code"] == "usage"
    assert "no folder" in ask(host, "/api/people", {"folder": "/nowhere"}).plain["message"]
    assert "no frame" in ask(host, "/api/picture?frame=5").plain["message"]
    assert ask(host, "/api/accept", {}).status == 409


def test_one_page_knows_nothing_of_another(engine: EngineProcess, host: Host, work: Path) -> None:
    with hosted(engine, shot_of(work), title="other") as other:
        assert host.token != other.token and host.port == other.port
        ask(other, "/api/change", {"name": "mesh.shape", "value": 0.2})
        assert state_of(host)["values"]["mesh.shape"] == 0.85 and state_of(other)["title"] == "other"


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux lists sockets in /proc")
def test_nothing_but_loopback_listens(host: Host) -> None:
    until(host, lambda state: state["footage"])
    for line in (
        *Path("/proc/net/tcp").read_text().splitlines()[1:],
        *Path("/proc/net/tcp6").read_text().splitlines()[1:],
    ):
        address, state = line.split()[1], line.split()[3]
        if state == "0A" and int(address.rpartition(":")[2], 16) == host.port:
            assert address.startswith("0100007F:")
    with pytest.raises(OSError):
        socket.create_connection(("::1", host.port), timeout=2)
