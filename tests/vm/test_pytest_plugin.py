"""The pytest plugin in a user's project: installed from a wheel, in a fresh environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from dynptr_harness.kernels.model import Kernel

TREE = Path(__file__).parents[2]
PATIENCE_S = 600  # seconds
TYPES, CASES = ("KPROBE", "LSM"), ("ATT-*", "RSV-00*", "VER-001")
SELECTION = "(kprobe or lsm) and not kprobe/ and not lsm/ and (ATT or RSV-00 or VER-001)"

OWN_PROGRAM = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_mkdir")
int on_mkdir(void *ctx)
{
	struct bpf_dynptr record;
	char text[] = "made";

	bpf_ringbuf_reserve_dynptr(&events, sizeof(text), 0, &record);
	bpf_dynptr_write(&record, 0, text, sizeof(text), 0);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}
"""
LEAKING_PROGRAM = """\
int leaks(void *ctx)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(0, 8, 0, &record);
	return 0;
}
"""
PROGRAM_FOR_BCC = """\
BPF_RINGBUF_OUTPUT(events, 1);

int fired(void *ctx)
{
	u64 *record = events.ringbuf_reserve(sizeof(u64));

	if (!record)
		return 0;
	*record = 7;
	events.ringbuf_submit(record, 0);
	return 0;
}
"""
OWN_TESTS = """\
import pytest


def test_mkdir_is_recorded(bpf, machine):
    program = bpf.load("own.bpf.c")
    with program.attached():
        assert machine.run("busybox", "mkdir", "/tmp/new").status == 0
    machine.run("busybox", "mkdir", "/tmp/newer")
    assert program.records() == [b"made\\0"]


@pytest.mark.prog_types("kprobe", "tracing/fexit")
def test_fire_triggers_the_event_once(bpf, prog_type):
    program = bpf.load("fired.c", prog_type=prog_type)
    with program.attached():
        program.fire()
    program.fire()
    assert program.records() == [(7).to_bytes(8, "little")]


@pytest.mark.prog_types("kprobe", "Tracing")
def test_a_leak_is_rejected(bpf, prog_type):
    bpf.load("leaking.c", prog_type=prog_type)


@pytest.mark.min_kernel("99.0")
def test_newer_kernels_only(machine):
    pass


def test_machine_boots_the_kernel(kernel, machine):
    assert machine.run("uname", "-r").stdout.decode().strip() == kernel.release
    assert machine.run("sh", "-c", "sleep 1000 & echo started").stdout == b"started\\n"


def test_crash(bpf, machine):
    with pytest.raises(Exception, match="No such file or directory"):
        bpf.load("missing.c", prog_type="xdp")
    program = bpf.load("fired.c", prog_type="kprobe")
    with program.attached():
        machine.run("sh", "-c", "echo c > /proc/sysrq-trigger")
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return Python of a new environment with our wheel. It uses the dependencies of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [
        "wheel",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(TREE),
    ]
    subprocess.run([*pip, *build], check=True, timeout=PATIENCE_S)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    interpreter = folder / "venv/bin/python"
    (wheel,) = folder.glob("*.whl")
    install = ["--python", str(interpreter), "install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([*pip, *install], check=True, timeout=PATIENCE_S)
    (site,) = (folder / "venv/lib").glob("python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return interpreter


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with tests that use the fixtures."""
    files = {
        "own.bpf.c": OWN_PROGRAM,
        "fired.c": PROGRAM_FOR_BCC,
        "leaking.c": LEAKING_PROGRAM,
        "test_own.py": OWN_TESTS,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def properties(junit: Path) -> dict[tuple[str, str, str], str]:
    """Return the verdict of each cell in a JUnit file, by type, case and loader."""
    found = {}
    for case in ElementTree.parse(junit).iter("testcase"):  # noqa: S314  (pytest has just written it)
        named = {each.get("name"): str(each.get("value")) for each in case.iter("property")}
        if "case" in named:
            found[named["prog_type"], named["case"], named["loader"]] = named["verdict"]
    return found


def test_without_kernel_the_plugin_imports_nothing(python: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "@pytest.fixture(params=['rbf', 'linear'])\n"
        "def kernel(request): return request.param\n"
    )
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_own_fixture(kernel):\n"
        "    assert kernel in ('rbf', 'linear')\n"
        "    assert {name for name in sys.modules if name.startswith('dynptr_harness')} <= {\n"
        "        'dynptr_harness', 'dynptr_harness.pytest_plugin', 'dynptr_harness.pytest_plugin.hooks'}\n"
    )
    done = run(python, tmp_path, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_items_have_the_verdicts_of_a_run(python: Path, kernel: Kernel, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    selection = [*(f"--prog-type={name}" for name in TYPES), *(f"--case={case}" for case in CASES)]
    ran = [sys.executable, "-m", "dynptr_harness", "run", "--kernel", kernel.release, *selection]
    subprocess.run([*ran, "--json", str(results)], capture_output=True, timeout=PATIENCE_S, check=True)
    cells = json.loads(results.read_text())["cells"]
    expected = {(cell["prog_type"], cell["case"], cell["loader"]): cell["verdict"] for cell in cells}
    assert expected

    for extra in ([], ["-n2"]):
        junit = tmp_path / "junit.xml"
        arguments = [f"--kernel={kernel.release}", "-k", SELECTION, f"--junitxml={junit}", *extra]
        done = run(python, tmp_path, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert properties(junit) == expected, extra


def test_own_tests_load_fire_and_read(python: Path, kernel: Kernel, project: Path) -> None:
    done = run(python, project, f"--kernel={kernel.release}", "-v", ".")
    outcomes = {
        line.split()[0].partition("::")[2]: line.split()[1]
        for line in done.stdout.splitlines()
        if line.startswith("test_own.py::")
    }
    release = kernel.release
    assert outcomes == {
        f"test_mkdir_is_recorded[{release}]": "PASSED",
        f"test_fire_triggers_the_event_once[{release}-kprobe]": "PASSED",
        f"test_fire_triggers_the_event_once[{release}-tracing/fexit]": "PASSED",
        f"test_a_leak_is_rejected[{release}-kprobe]": "FAILED",
        f"test_a_leak_is_rejected[{release}-tracing]": "FAILED",
        f"test_newer_kernels_only[{release}]": "SKIPPED",
        f"test_machine_boots_the_kernel[{release}]": "PASSED",
        f"test_crash[{release}]": "FAILED",
    }, done.stdout + done.stderr
    assert "the verifier refused leaks" in done.stdout
    assert "MachineFailed: machine crash: Kernel panic - not syncing: sysrq triggered crash" in done.stdout
    for internal in ("asyncio", "contextlib", "During handling"):
        assert internal not in done.stdout
    assert "dynptr_harness/pytest_plugin" not in done.stdout
    assert "Captured console" in done.stdout
    assert done.returncode == 1
