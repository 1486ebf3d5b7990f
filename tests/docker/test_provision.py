"""The provisioning of a new machine, as in a Vagrant box."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dynptr_harness
from dynptr_harness.core.paths import CHECKOUT

if TYPE_CHECKING:
    from docker import DockerClient

SCRIPT = """
set -e
cp -r /tree /project
/project/provision/install tool image
/project/provision/install tool image  # prints nothing: everything is installed
/project/provision/tool /opt/dynptr-harness
/opt/dynptr-harness/bin/dynptr-harness --version
"""


def test_a_new_machine_gets_the_command(client: DockerClient, base: str) -> None:
    said = client.containers.run(
        base,
        ["sh", "-c", SCRIPT],
        remove=True,
        network_mode="host",
        volumes=[f"{CHECKOUT}:/tree:ro"],
        stderr=True,
    ).decode()
    assert said.endswith(f"dynptr-harness {dynptr_harness.__version__}\n")
    assert said.count("provision/install: installing") == 1
