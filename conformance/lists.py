"""Drives the requests that are answered by JSON, and isolation between users."""

from __future__ import annotations

from typing import Any

import reference
from client import CHATKIT, Answer, Client
from report import Report
from turns import create, items, message


def threads(client: Client, **params: Any) -> list[dict[str, Any]]:
    """Reads all of a user's threads, page by page."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = client.ask("threads.list", reference.THREAD_PAGE, params | {"after": after})
        if not page:
            return found
        found += page["data"]
        if not page["has_more"]:
            return found
        if not client.report.check("a page with more behind it is not empty", bool(page["data"])):
            return found
        client.report.equal("after is the last thread's id", page.get("after"), page["data"][-1]["id"])
        after = page["after"]


def run(client: Client, other: Client) -> None:
    report = client.report
    report.start("lists and changes")
    made = [create(client, f"plain {n}")[0] for n in range(3)]
    everything = [t["id"] for t in threads(client)]
    report.equal("the newest thread comes first", everything[:3], made[::-1])
    report.equal("oldest first is the other way round", [t["id"] for t in threads(client, order="asc")], everything[::-1])
    report.equal("pages of two add up", [t["id"] for t in threads(client, limit=2)], everything)
    report.equal("no params at all", client.post("threads.list").status, 200)
    page = client.ask("threads.list", reference.THREAD_PAGE, {
        "limit": 9999, "order": None, "after": None, "all_workflows": True,
    })
    if page:
        report.check("a page holds at most 100", len(page["data"]) <= 100)
        report.check("threads of a list come without items", all(t["items"]["data"] == [] for t in page["data"]))
    changed = client.ask("threads.update", reference.THREAD, {"thread_id": made[0], "title": "Milk & more 😀", "metadata": {}})
    if changed:
        report.equal("a thread is renamed", changed.get("title"), "Milk & more 😀")
    listed = {t["id"]: t for t in threads(client)}
    report.equal("the list shows the new name", listed[made[0]].get("title"), "Milk & more 😀")
    answers = [i["id"] for i in items(client, made[0]) if i["type"] == "assistant_message"]
    for kind in ("positive", "negative"):
        client.ask("items.feedback", None, {"thread_id": made[0], "item_ids": answers, "kind": kind})
    client.ask("threads.delete", None, {"thread_id": made[1]})
    gone = client.post("threads.get_by_id", {"thread_id": made[1]})
    report.equal("a deleted thread is not found", gone.status, 404)
    report.check("a deleted thread is not listed", made[1] not in [t["id"] for t in threads(client)])
    foreign(report, other, made[0], answers)
    report.equal("another user's list is empty", threads(other), [])


def foreign(report: Report, other: Client, thread: str, answers: list[str]) -> None:
    """A foreign thread and one that never was are the same to a user."""
    report.start("isolation")

    def shape(answer: Answer) -> tuple[int, Any, Any]:
        error = answer.json()["error"]
        return answer.status, error["code"], error["message"]

    for kind, params in {
        "threads.get_by_id": {}, "items.list": {}, "threads.update": {"title": "Mine"}, "threads.delete": {},
        "threads.add_user_message": {"input": message("plain")},
        "threads.retry_after_item": {"item_id": answers[0] if answers else "msg_x"},
        "items.feedback": {"item_ids": answers, "kind": "positive"},
    }.items():
        theirs = shape(other.post(kind, {"thread_id": thread} | params))
        nobodys = shape(other.post(kind, {"thread_id": "thr_" + "0" * 29} | params))
        report.equal(f"{kind} of a foreign thread", theirs[:2], (404, "not_found"))
        report.equal(f"{kind} tells foreign from unknown", theirs, nobodys)
    for method, path in (("GET", "stream"), ("POST", "cancel")):
        answer = other.request(method, f"{CHATKIT}/threads/{thread}/{path}", b"{}" if method == "POST" else None)
        report.equal(f"{path} of a foreign thread", shape(answer)[:2], (404, "not_found"))
