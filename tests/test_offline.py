"""No test and no command opens a connection to anywhere else."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from offline import LeavesTheMachine, is_here

SUPPORT = Path(__file__).with_name("support")

IN_A_PROCESS_THAT_STAYS_HERE = """
import sys
sys.path.insert(0, {support!r})
from offline import stay_here
stay_here()
from ccrcc_model.cli import main
main()
"""


def test_the_guard_refuses_what_leaves_this_machine_and_nothing_else() -> None:
    with pytest.raises(LeavesTheMachine), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        outside.connect(("192.0.2.1", 9))  # an address of RFC 5737, which is nobody's
    with pytest.raises(LeavesTheMachine):
        socket.getaddrinfo("example.invalid", 80)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


@pytest.mark.parametrize(("host", "here"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)])
def test_only_loopback_is_here(host: str, here: bool) -> None:
    assert is_here(host) is here


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["doctor", "--faults", "--only", "nifti-cut-short"],
        pytest.param(["phantom", "--patients", "1", "--out"], marks=pytest.mark.slow),
    ],
)
def test_a_command_stays_on_this_machine(words: list[str], tmp_path: Path) -> None:
    arguments = [*words, str(tmp_path / "out")] if words[-1] == "--out" else words
    program = IN_A_PROCESS_THAT_STAYS_HERE.format(support=str(SUPPORT))
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stderr
