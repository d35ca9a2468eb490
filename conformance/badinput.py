"""Sends what a client should not, and expects a clear refusal."""

from __future__ import annotations

import json
from typing import Any

from client import CHATKIT, Answer, Client
from report import Report
from turns import items, message

UNSUPPORTED = (
    "threads.add_client_tool_output", "threads.add_structured_input", "threads.custom_action", "threads.sync_custom_action",
    "attachments.create", "attachments.delete", "input.transcribe", "threads.resume", "no.such.type",
)


def refused(report: Report, what: str, answer: Answer, status: int, code: str) -> None:
    """Checks the status and the body of an error."""
    report.equal(f"{what}: status", answer.status, status)
    try:
        body = answer.json()
    except ValueError:
        report.check(f"{what}: the body is JSON", False, f"{answer.body[:300]!r}")
        return
    error = body.get("error", {})
    report.equal(f"{what}: the body", (list(body), sorted(error)), (["error"], ["code", "message", "request_id"]))
    report.equal(f"{what}: the code", error.get("code"), code)
    report.check(f"{what}: the message says something", len(str(error.get("message", ""))) > 5, str(error))


def run(client: Client, thread: str) -> None:
    report = client.report
    report.start("bad input")

    def send(what: str, body: bytes, status: int = 400, code: str = "invalid_request", **headers: str) -> None:
        refused(report, what, client.request("POST", CHATKIT, body, headers), status, code)

    def ask(what: str, kind: str, params: Any, status: int = 400, code: str = "invalid_request") -> None:
        send(what, json.dumps({"type": kind, "params": params}).encode(), status, code)

    before = items(client, thread)
    for kind in UNSUPPORTED:
        ask(f"the type {kind}", kind, {"thread_id": thread}, 400, "unsupported_request")
    send("no body", b"")
    send("no JSON", b"{")
    send("a list", b"[]")
    send("null", b"null")
    send("garbage behind it", b'{"type":"threads.list"} x')
    send("not UTF-8", b'{"type":"threads.list","x":"\xff"}')
    send("10,000 brackets", b"[" * 10_000)
    send("10,000 brackets that are closed", b'{"type":"threads.list","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}")
    send("no type", b"{}")
    send("a type that is a number", b'{"type":1}')
    send("10 MB", b'{"type":"threads.list","x":"' + b"x" * 10_000_000 + b'"}', 413, "too_large")
    send("plain text", b'{"type":"threads.list"}', 415, "unsupported_media_type", **{"content-type": "text/plain"})
    ask("no thread id", "threads.get_by_id", {})
    ask("a thread id that is a number", "threads.get_by_id", {"thread_id": 1})
    ask("an unknown thread", "threads.get_by_id", {"thread_id": "thr_nobody"}, 404, "not_found")
    ask("an id with a slash", "threads.get_by_id", {"thread_id": "thr_a/b"}, 404, "not_found")
    ask("an id of 10 kB", "threads.get_by_id", {"thread_id": "t" * 10_000}, 404, "not_found")
    ask("an id that is empty", "threads.get_by_id", {"thread_id": ""}, 404, "not_found")
    ask("a negative limit", "threads.list", {"limit": -1})
    ask("a limit of words", "threads.list", {"limit": "many"})
    ask("an unknown order", "items.list", {"thread_id": thread, "order": "up"})
    ask("no content", "threads.create", {"input": {}})
    ask("an unknown part", "threads.create", {"input": message("", content=[{"type": "input_poem"}])})
    ask("an empty message", "threads.create", {"input": message("")})
    ask("a message of spaces", "threads.add_user_message", {"thread_id": thread, "input": message(" \n\t")})
    ask("a message without parts", "threads.create", {"input": message("", content=[])})
    ask("a message of 100 kB", "threads.create", {"input": message("x" * 100_000)})
    ask("an attachment that nobody uploaded", "threads.create", {"input": message("plain", attachments=["atc_1"])})
    ask("no title", "threads.update", {"thread_id": thread})
    ask("an empty title", "threads.update", {"thread_id": thread, "title": " "})
    ask("a title of 10 kB", "threads.update", {"thread_id": thread, "title": "x" * 10_000})
    ask("feedback of no kind", "items.feedback", {"thread_id": thread, "item_ids": [], "kind": "meh"})
    ask("retry after nothing", "threads.retry_after_item", {"thread_id": thread, "item_id": "msg_nobody"}, 404, "not_found")
    report.equal("none of it changed the thread", items(client, thread), before)

    for what, token in {"no token": "", "a bad token": "nonsense", "a token of nobody": "test-token-"}.items():
        answer = client.request("POST", CHATKIT, b'{"type":"threads.list"}', {"authorization": f"Bearer {token}" if token else ""})
        refused(report, what, answer, 401, "unauthorized")
    for path in (f"{CHATKIT}/threads/{thread}/branches", f"{CHATKIT}/live-updates/poll"):
        refused(report, path.rpartition("/")[2], client.request("GET", path), 404, "not_found")
    report.equal("a q-list of languages is fine", client.request(
        "POST", CHATKIT, b'{"type":"threads.list"}', {"accept-language": "de-AT,de;q=0.9,en;q=0.1"},
    ).status, 200)
    report.equal("the server is well after all that", client.request("GET", "/health/ready").status, 200)
