"""A mirror that is silent, refuses, or is inconsistent, read by a real apt. Failures are reported in time.

`mirror/` is a mirror of one list with one kernel. Its Release file was signed with gpg and a clock set to
2024. key.asc is the public key; the private key was not kept.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.kernels.debian import apt, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIRROR = Path(__file__).parents[1] / "mirror"
PACKAGES = "dists/trixie/main/binary-amd64/Packages"
BOUND = 12.0  # seconds on a busy machine. 2 suffice for one suite; all suites would take 20.


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let apt wait for one second, and use no proxy."""
    monkeypatch.setattr(apt, "TIMEOUT", 1)
    monkeypatch.setattr(apt, "RETRIES", 0)
    monkeypatch.setattr(apt, "host_options", list)
    monkeypatch.setattr(apt, "KEYRING", str(MIRROR / "key.asc"))


@pytest.fixture
def silent() -> Iterator[str]:
    """Yield the address of a server that accepts connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/debian"


@pytest.fixture
def refusing() -> str:
    """Return an address that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/debian"


class Quiet(SimpleHTTPRequestHandler):
    """A file server without a log."""

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Serve tmp_path/debian, and yield a function that returns the address."""
    monkeypatch.setattr(apt, "SUITES", ("trixie",))
    monkeypatch.setattr(apt, "SECURITY_SUITES", ("trixie-security",))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        shutil.copytree(MIRROR, tmp_path / "debian")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield lambda: f"http://127.0.0.1:{server.server_port}/debian"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["silent", "refusing"])
def test_a_mirror_that_does_not_answer_is_reported_in_time(
    tmp_path: Path, request: pytest.FixtureRequest, fault: str
) -> None:
    settings = Settings(tmp_path / "cache", mirror=request.getfixturevalue(fault))
    began = time.monotonic()
    with pytest.raises(EnvironmentFailed) as caught:
        source.choose("6.12", settings, Silent())
    assert time.monotonic() - began < BOUND
    assert "dists/trixie/InRelease" in caught.value.fact
    assert "connect" in caught.value.fact.lower()
    assert "DYNPTR_HARNESS_MIRROR" in caught.value.hint


def test_a_kernel_of_a_working_mirror_can_be_chosen(tmp_path: Path, serve: Callable[[], str]) -> None:
    settings = Settings(tmp_path / "cache", mirror=serve())
    (pick,) = source.choose("6.12", settings, Silent())
    assert (pick.kernel.version, pick.kernel.suite) == ("6.12.9-1", "trixie")
    with pytest.raises(apt.MirrorFailed, match="'all' needs all of Debian's lists"):
        source.choose("all", settings, Silent())


def test_a_list_with_a_wrong_checksum_is_rejected(tmp_path: Path, serve: Callable[[], str]) -> None:
    file = tmp_path / "debian" / PACKAGES
    file.write_text(file.read_text().replace("6.12.9", "6.12.8"))
    settings = Settings(tmp_path / "cache", mirror=serve())
    with pytest.raises(apt.MirrorFailed, match=r"Packages.*(Hash Sum mismatch|unexpected size)"):
        source.choose("6.12", settings, Silent())


def test_a_release_file_with_a_wrong_signature_is_rejected(tmp_path: Path, serve: Callable[[], str]) -> None:
    release = tmp_path / "debian/dists/trixie/InRelease"
    release.write_text(release.read_text().replace("Suite: stable", "Suite: oldstable"))
    settings = Settings(tmp_path / "cache", mirror=serve())
    with pytest.raises(apt.MirrorFailed, match=r"trixie InRelease.* is not signed|invalid|BADSIG"):
        source.choose("6.12", settings, Silent())
