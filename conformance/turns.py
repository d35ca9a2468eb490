"""Drives turns: every scenario, several messages in a thread, retry, cancel, resume."""

from __future__ import annotations

import json
from typing import Any

import fake_openai
import reference
from client import CHATKIT, Client, Stream
from fake_openai import Fake
from report import Report
from rules import Turn

DELTA = "assistant_message.content_part.text_delta"


def message(text: str, **more: Any) -> dict[str, Any]:
    return {
        "content": [{"type": "input_text", "text": text}], "attachments": [], "quoted_text": None,
        "inference_options": {"model": None, "tool_choice": None},
    } | more


def follow(report: Report, what: str, s: Stream) -> Turn:
    """Checks one finished stream against the rules of the protocol."""
    report.check(f"{what}: answered by a stream", s.status == 200, f"{s.status} {s.body!r}")
    turn = Turn(s)
    report.check(f"{what}: the order of events", not turn.faults, "; ".join(turn.faults))
    return turn


def create(client: Client, text: str, **more: Any) -> tuple[str, Turn]:
    """Opens a thread with a message and reads the turn to its end."""
    s = client.stream("threads.create", {"input": message(text, **more)}, metadata={"timezone": "Europe/Vienna"})
    turn = follow(client.report, f"create {text!r}", s)
    client.report.equal(
        f"create {text!r}: opens with the thread, the message and the options",
        turn.types[:3], ["thread.created", "thread.item.done", "stream_options"],
    )
    thread = turn.thread["id"] if turn.thread else ""
    users = turn.items("user_message")
    if client.report.equal(f"create {text!r}: one message of the user", len(users), 1):
        client.report.equal(f"create {text!r}: it says what was sent", users[0]["content"], message(text)["content"])
    listed_as_streamed(client, thread, turn)
    return thread, turn


def add(client: Client, thread: str, text: str, **more: Any) -> Turn:
    s = client.stream("threads.add_user_message", {"thread_id": thread, "input": message(text, **more)})
    turn = follow(client.report, f"add {text!r}", s)
    client.report.equal(
        f"add {text!r}: opens with the message and the options", turn.types[:2], ["thread.item.done", "stream_options"]
    )
    listed_as_streamed(client, thread, turn)
    return turn


def items(client: Client, thread: str, order: str = "asc", limit: int = 100) -> list[dict[str, Any]]:
    """Reads all items of a thread, page by page."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = client.ask("items.list", reference.ITEM_PAGE, {
            "thread_id": thread, "limit": limit, "order": order, "after": after,
        })
        if not page:
            return found
        found += page["data"]
        if page["data"]:
            client.report.equal("after is the last item's id", page.get("after"), page["data"][-1]["id"])
        client.report.check("a page has no more than was asked for", len(page["data"]) <= limit)
        if not page["has_more"]:
            return found
        if not client.report.check("a page with more behind it is not empty", bool(page["data"])):
            return found
        after = page["after"]


def listed_as_streamed(client: Client, thread: str, turn: Turn) -> None:
    """What a stream called done is what items.list and get_by_id say."""
    listed = {item["id"]: item for item in items(client, thread)}
    for item_id, item in turn.done.items():
        client.report.equal(f"the {item['type']} that was done is listed", listed.get(item_id), item)
    for item_id in turn.removed:
        client.report.check("what was removed is not listed", item_id not in listed)
    whole = client.ask("threads.get_by_id", reference.THREAD, {"thread_id": thread})
    if whole:
        client.report.equal(
            "a thread holds its first 20 items, oldest first", whole["items"]["data"], list(listed.values())[:20]
        )
        client.report.equal("metadata is an empty object", whole["metadata"], {})


def scenarios(client: Client, fake: Fake | None) -> None:
    """Every kind of answer. Without the fake only the form is checked."""
    report = client.report
    report.start("answers")
    turns = {word: create(client, f"please: {word}")[1] for word in (
        "plain", "reasoning", "tool", "several", "citation", "file", "refusal", "image", "emoji", "incomplete", "fail", "cut",
    )}
    for word, turn in turns.items():
        wanted = word in ("fail", "cut") and fake is not None
        report.equal(f"{word}: an error is shown", turn.error is not None, wanted)
        if wanted and turn.error:
            report.equal(f"{word}: it may be retried", turn.error.get("allow_retry"), True)
        report.check(f"{word}: there is an answer", bool(turn.text()), f"only {turn.types}")
    if fake is None:
        return
    for word, text in {
        "plain": "Hello there, this is a plain answer in a few words.", "reasoning": "There is nothing left.",
        "tool": "Both tasks are on your list.", "several": "One moment.\nHere is the answer.",
        "citation": "Milk is white and comes from cows.", "file": "It is in the file.", "refusal": "I cannot help with that.",
        "image": "Here is your picture.", "emoji": fake_openai.EMOJI, "incomplete": "This answer is cut sho",
        "fail": "This was said before it failed.", "cut": "This is all before the line breaks.",
    }.items():
        report.equal(f"{word}: the answer is the model's", turns[word].text(), text)
    report.check("plain: the answer streams", turns["plain"].updates.count(DELTA) > 3, str(turns["plain"].updates))
    thoughts(report, turns["reasoning"])
    report.check("tool: the calls are shown", len(tasks_of(turns["tool"])) >= 2, str(turns["tool"].done))
    report.check(
        "tool: the calls are complete", all(t["status_indicator"] == "complete" for t in tasks_of(turns["tool"])),
        str(tasks_of(turns["tool"])),
    )
    ids = [m["id"] for m in turns["several"].items("assistant_message")]
    report.equal("several: two messages of two ids", len(set(ids)), 2)
    report.equal("citation: the sources", [
        (a["source"]["type"], a["source"].get("url"), a["source"]["title"], a.get("index"))
        for a in annotations(turns["citation"])
    ], [("url", "https://example.com/milk", "Milk", 13), ("url", "https://example.com/cow", "Cow", 34)])
    report.equal("file: the sources", [
        (a["source"]["type"], a["source"].get("filename"), a.get("index")) for a in annotations(turns["file"])
    ], [("file", "list.pdf", 18), ("file", "sum.csv", 5)])
    images = turns["image"].items("generated_image")
    report.check("image: it is done", len(images) == 1 and bool(images[0].get("image", {}).get("url")), str(images)[:300])
    report.check("image: it grew", "generated_image.updated" in turns["image"].updates, str(turns["image"].updates))
    report.check("incomplete: a notice says why", "notice" in turns["incomplete"].types, str(turns["incomplete"].types))


def tasks_of(turn: Turn) -> list[dict[str, Any]]:
    return [task for item in turn.items("workflow") for task in item["workflow"]["tasks"]]


def annotations(turn: Turn) -> list[dict[str, Any]]:
    return [a for item in turn.items("assistant_message") for part in item["content"] for a in part["annotations"]]


def thoughts(report: Report, turn: Turn) -> None:
    flows = turn.items("workflow")
    if not report.equal("reasoning: one workflow", len(flows), 1):
        return
    flow = flows[0]["workflow"]
    report.equal("reasoning: its type", flow["type"], "reasoning")
    report.equal("reasoning: its thoughts", [(t["type"], t["content"]) for t in flow["tasks"]], [
        ("thought", "**First**\n\nLook at the list of tasks."), ("thought", "**Then**\n\nSay what is left."),
    ])
    report.check("reasoning: a summary with its duration", isinstance(flow.get("summary", {}).get("duration"), int), str(flow))
    report.equal("reasoning: it is folded", flow["expanded"], False)
    report.check("reasoning: the first thought streams", turn.updates.count("workflow.task.updated") > 1, str(turn.updates))


def conversation(client: Client, fake: Fake | None) -> None:
    """Several messages in one thread, all that a message may carry, and retry."""
    report = client.report
    report.start("conversation")
    thread, _ = create(client, "tool: add buy oat milk and call Anna", quoted_text="as you said")
    add(client, thread, "several, please", inference_options={})
    turn = add(client, thread, "several, please, again", content=[
        {"type": "input_text", "text": "plain \u0001 and 😀 for "},
        {"type": "input_tag", "id": "u1", "text": "Anna", "data": {"age": 41}, "group": None, "interactive": True},
    ])
    if users := turn.items("user_message"):
        tag = users[0]["content"][1]
        report.equal("a tag comes back", (tag["id"], tag["data"], tag["interactive"]), ("u1", {"age": 41}, True))
    listed = items(client, thread)
    report.equal("newest first is oldest first backwards", items(client, thread, "desc"), listed[::-1])
    report.equal("pages of one add up", items(client, thread, "asc", 1), listed)
    report.equal("pages of three backwards add up", items(client, thread, "desc", 3), listed[::-1])
    report.equal("no item is there twice", len({i["id"] for i in listed}), len(listed))
    # Retry from the middle: everything behind the message goes, then a turn.
    users = [n for n, item in enumerate(listed) if item["type"] == "user_message"]
    middle = listed[users[1]]
    s = client.stream("threads.retry_after_item", {"thread_id": thread, "item_id": middle["id"]})
    turn = follow(report, "retry", s)
    report.equal("retry: opens with the options", turn.types[:1], ["stream_options"])
    report.check("retry: sends no removed", "thread.item.removed" not in turn.types)
    report.check("retry: answers anew", bool(turn.text()))
    now = items(client, thread)
    report.equal("retry: what came before stays", now[: users[1] + 1], listed[: users[1] + 1])
    report.equal("retry: what came after is gone", [i["id"] for i in now[users[1] + 1:]], list(turn.done))
    listed_as_streamed(client, thread, turn)
    if fake is not None:
        what_the_model_was_given(report, fake)


def what_the_model_was_given(report: Report, fake: Fake) -> None:
    report.start("model requests")
    report.check("the requests are those of the Responses API", not fake.problems, "; ".join(fake.problems))
    text = json.dumps(fake.requests)
    for body in fake.requests:
        report.equal("a request streams and stores nothing", (body.get("stream"), body.get("store")), (True, False))
        report.check("a request has instructions", bool(body.get("instructions")))
        names = {tool["name"] for tool in body["tools"] if tool["type"] == "function"}
        report.equal("the six tools are offered", sorted(names), [
            "add_task", "complete_task", "delete_task", "find_task_by_name", "list_tasks", "update_task",
        ])
        taken = {name for tool in body["tools"] for name in property_names(tool.get("parameters"))}
        report.check("no tool takes a user", not {n for n in taken if "user" in n or "owner" in n}, str(sorted(taken)))
        calls = [i["call_id"] for i in body["input"] if i.get("type") == "function_call"]
        outputs = [i["call_id"] for i in body["input"] if i.get("type") == "function_call_output"]
        report.equal("calls and outputs come in pairs", sorted(calls), sorted(outputs))
    last = fake.requests[-1]["input"]
    said = [fake_openai.text_of(item) for item in last if item.get("role") in ("user", "assistant")]
    report.check("the history has the earlier answer", any("Both tasks are on your list." in s for s in said), str(said))
    report.check("the history has the earlier calls", any(i.get("type") == "function_call" for i in last), str(last)[:2000])
    report.check("a tag is given as @text", "@Anna" in text)


def property_names(schema: Any) -> set[str]:
    """All names of fields that a JSON schema has, at any depth."""
    if isinstance(schema, list):
        return {name for part in schema for name in property_names(part)}
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})) | {name for part in schema.values() for name in property_names(part)}


def stopping(client: Client, fake: Fake) -> None:
    """A slow turn: busy thread, a second reader, resume, cancel."""
    report = client.report
    report.start("busy, resume, cancel")
    first = client.open("POST", CHATKIT, json.dumps({
        "type": "threads.create", "params": {"input": message("slow, please")},
    }).encode())
    created = first.until("thread.created")
    first.until("thread.item.updated", DELTA)
    thread = created.event["thread"]["id"] if created else ""
    busy = client.post("threads.add_user_message", {"thread_id": thread, "input": message("plain")})
    report.equal("a second message while a turn runs", (busy.status, busy.json()["error"]["code"]), (409, "thread_busy"))
    whole = client.open("GET", f"{CHATKIT}/threads/{thread}/stream")
    whole.until("thread.item.updated", DELTA)
    cut = first.until("thread.item.updated", DELTA)
    first.close()  # the connection is lost; the turn is not
    rest = client.open("GET", f"{CHATKIT}/threads/{thread}/stream", headers={"Last-Event-ID": cut.id if cut else ""})
    rest.until("thread.item.updated", DELTA)
    stopped = client.request("POST", f"{CHATKIT}/threads/{thread}/cancel", b"{}")
    report.equal("cancel is answered", (stopped.status, stopped.json()), (200, {}))
    all_of_it, tail = client.read(whole), client.read(rest)
    report.check("the model's call is cancelled", fake.gone.wait(5), "the connection to the model stayed open")
    seen = first.result.frames + tail.frames
    report.equal("a reader that resumes misses nothing", [f.id for f in seen], [f.id for f in all_of_it.frames])
    report.equal("all readers are sent the same", [f.text for f in seen], [f.text for f in all_of_it.frames])
    turn = follow(report, "cancel", all_of_it)
    listed_as_streamed(client, thread, turn)
    kept = [i for i in items(client, thread) if i["type"] == "assistant_message"]
    report.check("what was said before the stop is kept", len(kept) == 1 and "word" in kept[0]["content"][0]["text"], str(kept)[:500])
    idle = client.request("GET", f"{CHATKIT}/threads/{thread}/stream")
    report.equal("nothing to resume", (idle.status, idle.body), (204, b""))
    again = client.request("POST", f"{CHATKIT}/threads/{thread}/cancel", b"{}")
    report.equal("cancel again is done already", again.status, 200)
    report.check("the thread can be used again", bool(add(client, thread, "plain, please").text()))
