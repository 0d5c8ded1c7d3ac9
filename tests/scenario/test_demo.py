"""`make run`: what tools/demo starts on the example zones, answers, and how it ends."""
import os
import pty
import socket
import subprocess
import time
from pathlib import Path

from ports import free_port

ROOT = Path(__file__).resolve().parents[2]
KENTER = Path(os.environ.get("KENTER", ROOT / "build" / "kenter"))


def demo(path, *more):
    return [ROOT / "tools/demo", KENTER.parent, "--port", str(free_port()), "--page-port", str(free_port()),
            "--data", path, *more]


def test_scripted(tmp_path):
    for _ in range(2):  # the second time on what the first has left
        result = subprocess.run(demo(tmp_path / "data", "--check"), capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "all is as it should be" in result.stdout


def test_ctrl_c_ends_it(tmp_path):
    """On a terminal, where Ctrl-C reaches the script and all processes of kenterd at once."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = [str(part) for part in demo(tmp_path / "data")]
        os.execv(command[0], command)
    said, pressed = b"", False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # all who had it open are gone
            break
        if not piece:
            break
        said += piece
        if not pressed and b"Ctrl-C ends it" in said:
            pressed = True
            os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    assert pressed and os.waitstatus_to_exitcode(status) == 0, said.decode()
    assert b"ending, as signal 2 says" in said
    left = subprocess.run(["pgrep", "-f", f"kenterd.*{tmp_path}"], capture_output=True, text=True)
    assert left.stdout == "", left.stdout


def test_a_port_that_is_taken(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        result = subprocess.run(
            [ROOT / "tools/demo", KENTER.parent, "--port", str(taken.getsockname()[1]), "--page-port", str(free_port()),
             "--data", tmp_path, "--check"],
            capture_output=True, text=True, timeout=60)
    assert result.returncode == 3 and "127.0.0.1@" in result.stderr, result.stderr
