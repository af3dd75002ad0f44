"""What README says about a shell beside a running stack: its variables start a service and orderctl, and nothing is refused."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess

import pytest
from stack import REPOSITORY

BLOCK = re.compile(r'```sh\n(eval "\$\(deploy/local/status --env\)"\n[^`]*?build/bin/desk)\n```')


@pytest.fixture
def shell(stack):
    """Runs a script as a person would beside this stack."""
    def start(script: str) -> subprocess.Popen:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ORDERCLERK_")}
        return subprocess.Popen(["bash", "-c", script], env={**environment, "ORDERCLERK_HOME": str(stack.home.path)}, cwd=REPOSITORY, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return start


def test_a_service_started_by_hand(stack, shell):
    stack.up(["intake", "desk"])
    found = BLOCK.search((REPOSITORY / "README.md").read_text())
    assert found, "README shows how a service is started by hand"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = found.group(1).replace("127.0.0.1:8090", f"127.0.0.1:{port}").replace("build/bin/desk", f"exec {stack.build_folder}/bin/desk")
    process = shell(script)
    try:
        def ready() -> bool:
            assert process.poll() is None, process.stdout.read()
            return subprocess.run([stack.build_folder / "bin/orderctl", "ready", f"http://127.0.0.1:{port}"], capture_output=True).returncode == 0
        stack.wait(ready, 60, "the service started by hand")
        members = stack.wait(lambda: {row.owner for row in stack.sql("SELECT DISTINCT owner FROM desk.slot")} if stack.value(
            "SELECT count(DISTINCT owner) FROM desk.slot") == 2 else None, 60, "the two processes to share the slots")
        assert any(owner.endswith(f":{process.pid}") for owner in members)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_orderctl_in_that_shell(stack, shell):
    stack.up(["intake", "desk"])
    done = shell(f'eval "$(deploy/local/status --env)"; {stack.build_folder}/bin/orderctl order list --json')
    output = done.communicate(timeout=60)[0]
    assert done.returncode == 0 and "[]" in output, output


def test_an_unknown_name_is_still_refused(stack, shell):
    stack.up([])
    done = shell(f'eval "$(deploy/local/status --env)"; ORDERCLERK_INTAKE_1_PID=1 ORDERCLERK_PG=$STACK_PG_DESK {stack.build_folder}/bin/desk')
    output = done.communicate(timeout=60)[0]
    assert done.returncode == 2 and "ORDERCLERK_INTAKE_1_PID" in output
