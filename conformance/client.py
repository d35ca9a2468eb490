"""Speaks to the server as a ChatKit client does, and checks all it hears."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

import reference
from report import Report

CHATKIT = "/api/v1/chatkit"
TIMEOUT = 60.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Frame:
    """One event of a stream: its id, its JSON as sent, and what it says."""

    id: str
    text: str
    event: dict[str, Any]

    @property
    def type(self) -> str:
        return self.event["type"]


@dataclass
class Stream:
    status: int
    headers: dict[str, str]
    frames: list[Frame] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # of the framing, not of the events
    body: bytes = b""  # when it is no stream


class Client:
    """One user of the server."""

    def __init__(self, port: int, report: Report, user: str = "alice") -> None:
        self.port = port
        self.report = report
        self.token = f"test-token-{user}"

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            conn.request(method, path, body, self.headers() | (headers or {}))
            resp = conn.getresponse()
            return Answer(resp.status, lower(resp), resp.read())
        finally:
            conn.close()

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}", "content-type": "application/json"}

    def post(self, kind: str, params: Any = None, **more: Any) -> Answer:
        body = {"type": kind} | ({} if params is None else {"params": params}) | more
        return self.request("POST", CHATKIT, json.dumps(body).encode())

    def ask(self, kind: str, adapter: TypeAdapter[Any] | None, params: Any = None, **more: Any) -> Any:
        """Sends a request that is answered by JSON, and has the answer judged."""
        self.own(kind, params)
        answer = self.post(kind, params, **more)
        what = f"{kind} {json.dumps(params)}"
        if not self.report.check(f"{what} is answered", answer.status == 200, f"{answer.status} {answer.body!r}"):
            return None
        self.report.equal(f"{what} is JSON", answer.headers.get("content-type", "").split(";")[0], "application/json")
        if adapter is None:
            self.report.equal(f"{what} answers an empty object", answer.json(), {})
            return {}
        problem = reference.disagreement(adapter, answer.body.decode())
        self.report.check(f"{what} has the reference's type", not problem, problem)
        found = reference.faults(answer.json())
        self.report.check(f"{what} is clean", not found, "; ".join(found))
        return answer.json()

    def own(self, kind: str, params: Any) -> None:
        """Checks that a request is one that the reference would take too."""
        try:
            reference.REQUEST.validate_python({"type": kind, "params": clean(params)})
        except ValueError as err:
            self.report.check(f"{kind} {params} is a request of the reference's", False, str(err))

    def stream(self, kind: str, params: Any, **more: Any) -> Stream:
        self.own(kind, params)
        body = json.dumps({"type": kind, "params": params} | more).encode()
        # The kind of the answer follows from the type, whatever is accepted.
        return self.read(self.open("POST", CHATKIT, body, {"accept": "application/json"}))

    def open(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reading:
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        conn.request(method, path, body, self.headers() | (headers or {}))
        return Reading(conn)

    def read(self, reading: Reading) -> Stream:
        """Reads a stream to its end and checks its framing and every event."""
        result = reading.rest()
        if result.status == 200:
            self.judge(result)
        return result

    def judge(self, s: Stream) -> None:
        r = self.report
        r.equal("a stream is an event stream", s.headers.get("content-type", "").split(";")[0], "text/event-stream")
        r.equal("a stream is not cached", s.headers.get("cache-control"), "no-cache")
        r.equal("a stream is not buffered by proxies", s.headers.get("x-accel-buffering"), "no")
        r.check("a stream is framed as clients read it", not s.faults, "; ".join(s.faults))
        r.check("a stream has events", bool(s.frames))
        for frame in s.frames:
            problem = reference.disagreement(reference.EVENT, frame.text)
            r.check(f"{frame.type} has the reference's type", not problem, problem)
            found = reference.faults(frame.event)
            r.check(f"{frame.type} is clean", not found, "; ".join(found) + " in " + frame.text)


def clean(value: Any) -> Any:
    """Leaves out nulls, which the reference does not take everywhere."""
    if isinstance(value, dict):
        return {k: clean(v) for k, v in value.items() if v is not None}
    return value


def lower(resp: http.client.HTTPResponse) -> dict[str, str]:
    return {k.lower(): v for k, v in resp.getheaders()}


class Reading:
    """A stream that is being read, event by event."""

    def __init__(self, conn: http.client.HTTPConnection) -> None:
        self.conn = conn
        self.resp = conn.getresponse()
        self.result = Stream(self.resp.status, lower(self.resp))
        self.lines = self.events()

    def close(self) -> None:
        """Hangs up."""
        self.resp.close()
        self.conn.close()

    def until(self, kind: str, update: str = "") -> Frame | None:
        """Reads on to the next event of a type, or of a type of update."""
        for frame in self.lines:
            if frame.type == kind and (not update or frame.event["update"]["type"] == update):
                return frame
        return None

    def rest(self) -> Stream:
        """Reads to the end of the stream."""
        try:
            if self.result.headers.get("content-type", "").startswith("text/event-stream"):
                for _ in self.lines:
                    pass
            else:
                self.result.body = self.resp.read()
        finally:
            self.close()
        return self.result

    def events(self) -> Iterator[Frame]:
        last_id, data = "", ""
        fault = self.result.faults.append
        for raw in self.resp:
            line = raw.decode()
            if not line.endswith("\n") or line.endswith("\r\n"):
                fault(f"the line {line!r} does not end in one line feed")
            line = line.rstrip("\r\n")
            if line.startswith(":"):
                continue
            if line.startswith("id: "):
                last_id = line.removeprefix("id: ")
            elif line.startswith("data: "):
                if data:
                    fault("an event has more than one data line")
                data = line.removeprefix("data: ")
            elif line:
                fault(f"the line {line!r} is neither data nor id nor a comment")
            elif data:
                frame = Frame(last_id, data, json.loads(data))
                self.result.frames.append(frame)
                last_id, data = "", ""
                yield frame
        if data:
            fault("the last event has no blank line behind it")
