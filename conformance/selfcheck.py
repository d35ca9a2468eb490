"""Judges the judge: a good stream passes, and each way to spoil it is noticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import reference
from client import Frame, Stream
from report import Report
from rules import Turn

AT = {"thread_id": "thr_1", "created_at": "2026-03-01T09:30:01Z"}


def part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def answer(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "assistant_message", "id": "msg_2", **AT, "content": list(parts)}


def update(item_id: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "thread.item.updated", "item_id": item_id, "update": {"type": kind, **fields}}


def flow(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "workflow", "id": "wf_1", **AT, "workflow": {"type": "reasoning", "tasks": list(tasks), "expanded": False}}


def thought(text: str) -> dict[str, Any]:
    return {"type": "thought", "status_indicator": "none", "content": text}


MESSAGE = "assistant_message.content_part."
GOOD: list[dict[str, Any]] = [
    {"type": "stream_options", "stream_options": {"allow_cancel": True}},
    {"type": "thread.item.added", "item": flow()},
    update("wf_1", "workflow.task.added", task_index=0, task=thought("a")),
    update("wf_1", "workflow.task.updated", task_index=0, task=thought("ab")),
    {"type": "thread.item.done", "item": flow(thought("ab"))},
    {"type": "thread.item.added", "item": answer()},
    update("msg_2", MESSAGE + "added", content_index=0, content=part("")),
    update("msg_2", MESSAGE + "text_delta", content_index=0, delta="Hel"),
    update("msg_2", MESSAGE + "text_delta", content_index=0, delta="lo"),
    update("msg_2", MESSAGE + "done", content_index=0, content=part("Hello")),
    {"type": "thread.item.done", "item": answer(part("Hello"))},
]


def judge(events: list[dict[str, Any]], first: int = 1, step: int = 1) -> list[str]:
    frames = [Frame(f"trn_1:{first + n * step}", json.dumps(e), e) for n, e in enumerate(events)]
    found = Turn(Stream(200, {}, frames), live=False).faults
    for frame in frames:
        found += reference.faults(frame.event)
        if problem := reference.disagreement(reference.EVENT, frame.text):
            found.append(problem)
    return found


def drop(n: int) -> Callable[[list[dict[str, Any]]], None]:
    return lambda events: events.__delitem__(n)


def swap(n: int) -> Callable[[list[dict[str, Any]]], None]:
    def spoil(events: list[dict[str, Any]]) -> None:
        events[n], events[n + 1] = events[n + 1], events[n]

    return spoil


def put(n: int, *path: str | int, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    def spoil(events: list[dict[str, Any]]) -> None:
        target: Any = events[n]
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return spoil


SPOILED: dict[str, Callable[[list[dict[str, Any]]], None]] = {
    "an item is not added": drop(5),
    "an item is never done": drop(10),
    "an item is done twice": lambda events: events.append(copy.deepcopy(events[10])),
    "an item is added again": lambda events: events.append(copy.deepcopy(events[5])),
    "an update after done": swap(9),
    "an update before added": swap(5),
    "a part is not added": drop(6),
    "a delta is lost": drop(7),
    "deltas are swapped": swap(7),
    "a delta is empty": put(7, "update", "delta", value=""),
    "a part is done otherwise": put(9, "update", "content", "text", value="Hallo"),
    "an item is done otherwise": put(10, "item", "content", 0, "text", value="Hallo"),
    "a task is not added": drop(2),
    "a task is lost": drop(3),
    "a task of a wrong index": put(2, "update", "task_index", value=1),
    "a workflow's update of a message": put(3, "item_id", value="msg_2"),
    "an item of another thread": put(10, "item", "thread_id", value="thr_2"),
    "an item becomes another": put(10, "item", value={"type": "end_of_turn", "id": "msg_2", **AT}),
    "an event after an error": lambda events: events.insert(5, {"type": "error", "code": "custom", "allow_retry": True}),
    "a hidden item": lambda events: events.append(
        {"type": "thread.item.done", "item": {"type": "sdk_hidden_context", "id": "shcx_1", **AT, "content": "psst"}}
    ),
    "a null": put(10, "item", "content", 0, "annotations", value=None),
    "a time without a zone": put(10, "item", "created_at", value="2026-03-01T09:30:01"),
    "an unknown field": put(0, "colour", value="red"),
    "an unknown event": put(0, "type", value="thread.item.painted"),
    "a missing field": lambda events: events[7]["update"].__delitem__("content_index"),
}


def run(report: Report) -> None:
    report.start("the judge")
    report.equal("a good stream passes", judge(GOOD), [])
    report.equal("a stream that is resumed passes", judge(GOOD, first=7), [])
    old = Turn(Stream(200, {}, [Frame("trn_1:1", "", GOOD[4])])).faults
    report.check("a time that is not now is noticed", any("seconds ago" in fault for fault in old), str(old))
    report.check("a gap in the numbers is noticed", bool(judge(GOOD, step=2)))
    for what, spoil in SPOILED.items():
        events = copy.deepcopy(GOOD)
        spoil(events)
        report.check(f"{what}: noticed", bool(judge(events)))
