"""The payload ships the whole protocol, which imports only the standard library."""

from __future__ import annotations

import ast
import sys

from dynptr_harness.core.paths import PACKAGE
from dynptr_harness.guest_image import payload

PROTOCOL = PACKAGE / "protocol"
MODULES = sorted(PROTOCOL.rglob("*.py"))


def test_the_payload_contains_every_module_of_the_protocol() -> None:
    shipped = payload.contents()
    assert {path.name for path in MODULES} >= {"codec.py", "kfuncs.py", "ring.py", "structs.py", "uapi.py"}
    for path in MODULES:
        assert shipped[f"dynptr_harness/protocol/{path.relative_to(PROTOCOL)}"] == path


def test_the_protocol_imports_only_the_standard_library_and_itself() -> None:
    names = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module
                names.add(node.module)
    foreign = {name for name in names if not name.startswith("dynptr_harness.protocol")}
    assert {name.partition(".")[0] for name in foreign} <= sys.stdlib_module_names
