"""Judges the built server by the reference's own types; see README.md."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

import badinput
import fake_openai
import golden
import lists
import selfcheck
import turns
from client import Client
from fake_openai import Fake
from report import Report

ROOT = Path(__file__).resolve().parent.parent
BINARY = ROOT / "bin" / "chatkitd"
START, STOP = 60.0, 30.0  # seconds


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ready(port: int) -> bool:
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        conn.request("GET", "/health/ready")
        return conn.getresponse().status == 200
    except OSError:
        return False
    finally:
        conn.close()


@contextlib.contextmanager
def server(report: Report, log: Path, agent: str, base_url: str = "") -> Iterator[int]:
    """Runs the server on an empty data folder; yields its port."""
    report.side = f"{agent}: "
    port = free_port()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CHATKITD_", "JWT_", "OPENAI_", "ENVIRONMENT"))}
    settings = {
        "ENVIRONMENT": "development", "CHATKITD_LISTEN": f"127.0.0.1:{port}", "CHATKITD_AGENT": agent,
    }
    if base_url:
        settings |= {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": fake_openai.API_KEY}
    with tempfile.TemporaryDirectory() as data, log.open("wb") as out:
        process = subprocess.Popen(
            [BINARY, "serve"], env=inherited | settings | {"CHATKITD_DATA": data}, stdout=out, stderr=out,
        )
        try:
            deadline = time.monotonic() + START
            while not ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the server did not start:\n{log.read_text()}")
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            try:
                status = process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            report.start("server")
            report.equal("it stops when told to", status, 0)
    text = log.read_text()
    report.check("no panic in the log", not re.search(r"\bpanic\b|goroutine \d+ \[", text), f"see {log}")
    report.check("the API key is not in the log", fake_openai.API_KEY not in text, f"see {log}")


def drive(report: Report, port: int, fake: Fake | None) -> None:
    """The same for both agents; what only the scripted model can show needs the fake."""
    client, other = Client(port, report), Client(port, report, "bob")

    def bad_input() -> None:
        thread, _ = turns.create(client, "plain, before the bad input")
        badinput.run(client, thread)

    parts: list[Callable[[], None]] = [
        lambda: turns.scenarios(client, fake), lambda: turns.conversation(client, fake),
        lambda: lists.run(client, other), bad_input,
    ]
    if fake is not None:
        parts.append(lambda: turns.stopping(client, fake))
    for part in parts:
        try:
            part()
        except Exception:  # an answer that no check foresaw is one failure, not the end
            report.check("it can be driven to its end", False, traceback.format_exc())


def fake_is_honest(report: Report) -> None:
    """What the fake sends is what OpenAI's own client library knows."""
    report.start("fake model")
    adapter = TypeAdapter(ResponseStreamEvent)
    for word in fake_openai.SCENARIOS.keys() - {"slow"}:
        problem = ""
        try:
            for event in fake_openai.stream({"model": "m", "input": word}, 1):
                adapter.validate_python(event)
        except fake_openai.Cut:
            pass
        except ValueError as err:
            problem = str(err)
        report.check(word, not problem, problem)


def main() -> int:
    report = Report()
    logs = Path(tempfile.mkdtemp(prefix="chatkitd-conformance-"))
    selfcheck.run(report)
    golden.run(report)
    fake_is_honest(report)
    with Fake() as fake, server(report, logs / "openai.log", "openai", fake.base_url) as port:
        drive(report, port, fake)
    with server(report, logs / "offline.log", "offline") as port:
        drive(report, port, None)
    status = report.finish()
    if status:
        print(f"the server's logs are in {logs}")
    return status


if __name__ == "__main__":
    sys.exit(main())
