"""The order in which a turn's events may come, and what they add up to."""

from __future__ import annotations

import copy
import time
from datetime import datetime
from typing import Any

from client import Frame, Stream

Item = dict[str, Any]


class Turn:
    """Follows the events of one stream as a client does.

    faults names every rule that was broken. done holds the items that are durable
    by the stream, by id, in the order in which they became so.
    """

    def __init__(self, s: Stream, live: bool = True) -> None:
        self.recorded = not live  # a recording: its times are not those of now
        self.faults: list[str] = []
        self.live: dict[str, Item] = {}  # added and not done
        self.done: dict[str, Item] = {}
        self.removed: set[str] = set()
        self.thread: Item | None = None
        self.error: Item | None = None
        self.types: list[str] = []
        self.updates: list[str] = []
        self.numbering(s.frames)
        for frame in s.frames:
            if self.error:
                self.fault(f"{frame.type} after an error")
            self.types.append(frame.type)
            try:
                self.follow(frame.event)
            except (KeyError, TypeError) as err:
                self.fault(f"{frame.type} cannot be followed: {err!r} in {frame.text}")
        for item_id, item in self.live.items():
            self.fault(f"{item['type']} {item_id} was added and never done or removed")

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def numbering(self, frames: list[Frame]) -> None:
        """Ids are <turn>:<n>, of one turn, without a gap."""
        ids = [frame.id.rpartition(":") for frame in frames]
        if len({turn for turn, _, _ in ids}) > 1 or any(not turn for turn, _, _ in ids):
            self.fault(f"the ids {sorted({turn for turn, _, _ in ids})} are not those of one turn")
        numbers = [int(n) for _, _, n in ids if n.isdecimal()]
        if numbers != list(range(numbers[0] if numbers else 1, (numbers[0] if numbers else 1) + len(frames))):
            self.fault(f"the numbers {numbers} have a gap")

    def follow(self, event: Item) -> None:
        match event["type"]:
            case "thread.created" | "thread.updated":
                self.thread = event["thread"]
            case "thread.item.added":
                self.added(event["item"])
            case "thread.item.updated":
                self.updated(event["item_id"], event["update"])
            case "thread.item.done":
                self.finished(event["item"])
            case "thread.item.replaced":
                self.same_thread(event["item"])
                self.live.pop(event["item"]["id"], None)
                self.done[event["item"]["id"]] = event["item"]
            case "thread.item.removed":
                self.live.pop(event["item_id"], None)
                self.done.pop(event["item_id"], None)
                self.removed.add(event["item_id"])
            case "error":
                self.error = event

    def same_thread(self, item: Item) -> None:
        seen = {i["thread_id"] for i in [*self.live.values(), *self.done.values()]}
        if self.thread:
            seen.add(self.thread["id"])
        if seen - {item["thread_id"]}:
            self.fault(f"{item['id']} is of thread {item['thread_id']}, the others of {seen}")

    def added(self, item: Item) -> None:
        if item["id"] in self.live or item["id"] in self.done or item["id"] in self.removed:
            self.fault(f"{item['id']} was added twice")
        self.same_thread(item)
        self.live[item["id"]] = copy.deepcopy(item)

    def finished(self, item: Item) -> None:
        if item["id"] in self.done:
            self.fault(f"{item['id']} was done twice")
        self.same_thread(item)
        age = time.time() - datetime.fromisoformat(item["created_at"]).timestamp()
        if not self.recorded and not -5 <= age <= 300:
            self.fault(f"{item['id']} was made {age:.0f} seconds ago")
        grown = self.live.pop(item["id"], None)
        if grown and grown["type"] != item["type"]:
            self.fault(f"{item['id']} was added as {grown['type']} and done as {item['type']}")
        elif grown and item["type"] == "assistant_message" and grown["content"] != item["content"]:
            self.fault(f"the updates add up to {grown['content']}, done is {item['content']}")
        elif grown and item["type"] == "workflow" and grown["workflow"]["tasks"] != item["workflow"]["tasks"]:
            self.fault(f"the updates add up to {grown['workflow']['tasks']}, done is {item['workflow']['tasks']}")
        self.done[item["id"]] = item

    def updated(self, item_id: str, update: Item) -> None:
        self.updates.append(update["type"])
        item = self.live.get(item_id)
        if item is None:
            self.fault(f"{update['type']} of {item_id}, which is not open")
            return
        family = update["type"].split(".")[0]
        if family != item["type"]:
            self.fault(f"{update['type']} of a {item['type']}")
        elif family == "assistant_message":
            self.message_updated(item["content"], update)
        elif family == "workflow":
            self.workflow_updated(item["workflow"]["tasks"], update)
        elif family == "generated_image":
            item["image"] = update["image"]

    def message_updated(self, content: list[Item], update: Item) -> None:
        index, kind = update["content_index"], update["type"].rpartition(".")[2]
        if kind == "added":
            if index != len(content):
                self.fault(f"part {index} was added to {len(content)} parts")
            content.append(copy.deepcopy(update["content"]))
            return
        if index >= len(content):
            self.fault(f"{update['type']} of part {index}, which was not added")
            return
        part = content[index]
        if kind == "text_delta":
            if not update["delta"]:
                self.fault("a text delta is empty")
            part["text"] += update["delta"]
        elif kind == "annotation_added":
            if update["annotation_index"] != len(part["annotations"]):
                self.fault(f"annotation {update['annotation_index']} was added to {len(part['annotations'])}")
            part["annotations"].append(update["annotation"])
        elif kind == "done" and part != update["content"]:
            self.fault(f"the deltas add up to {part}, the part is done as {update['content']}")

    def workflow_updated(self, tasks: list[Item], update: Item) -> None:
        index, added = update["task_index"], update["type"] == "workflow.task.added"
        if added and index != len(tasks):
            self.fault(f"task {index} was added to {len(tasks)} tasks")
        elif not added and index >= len(tasks):
            self.fault(f"task {index} was updated, there are {len(tasks)}")
        elif added:
            tasks.append(update["task"])
        else:
            tasks[index] = update["task"]

    def items(self, kind: str) -> list[Item]:
        return [item for item in self.done.values() if item["type"] == kind]

    def text(self) -> str:
        """All that the assistant said, its messages on lines of their own."""
        return "\n".join("".join(p["text"] for p in m["content"]) for m in self.items("assistant_message"))
