"""A scripted stand-in for OpenAI's Responses API.

What it answers is chosen by a word in the newest message of the user: see
SCENARIOS. It keeps every request, so that what the server sent can be checked.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

API_KEY = "conformance-key"
SECRET = "upstream-detail-that-no-client-may-see"
EMOJI = "Fertig 👩‍👩‍👧‍👦🏳️‍🌈 – ça va? 日本語 \u2028 <b>&amp;</b> \"quoted\" back\\slash"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="

Event = dict[str, Any]


class Cut(Exception):
    """The connection is to break without a terminal event."""


class Script:
    """Builds the events of one response, numbered and with their indexes."""

    def __init__(self, model: str, number: int) -> None:
        self.sequence = itertools.count()
        self.model = model
        self.number = number
        self.output: list[Event] = []

    def event(self, kind: str, **fields: Any) -> Event:
        return {"type": kind, "sequence_number": next(self.sequence), **fields}

    def response(self, status: str, **fields: Any) -> Event:
        usage = None
        if status in ("completed", "incomplete"):
            usage = {
                "input_tokens": 30, "output_tokens": 12, "total_tokens": 42,
                "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 2},
            }
        return {
            "id": f"resp_fake_{self.number}", "object": "response", "created_at": int(time.time()),
            "status": status, "model": self.model, "output": list(self.output), "usage": usage,
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None,
            "incomplete_details": None, "instructions": None, "metadata": {}, "temperature": 1.0, "top_p": 1.0,
            **fields,
        }

    def open(self) -> Iterator[Event]:
        yield self.event("response.created", response=self.response("in_progress"))
        yield self.event("response.in_progress", response=self.response("in_progress"))

    def close(self) -> Iterator[Event]:
        yield self.event("response.completed", response=self.response("completed"))

    def item(self, added: Event, done: Event, between: Iterator[Event] = iter(())) -> Iterator[Event]:
        index = len(self.output)
        yield self.event("response.output_item.added", output_index=index, item=added)
        yield from between
        self.output.append(done)
        yield self.event("response.output_item.done", output_index=index, item=done)

    def message(
        self, words: str, item_id: str | None = None, annotations: tuple[Event, ...] = (), delay: float = 0,
        unfinished: bool = False,
    ) -> Iterator[Event]:
        index = len(self.output)
        item_id = item_id or f"msg_fake_{self.number}_{index}"
        at = {"item_id": item_id, "output_index": index, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        message = {"id": item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        final = part | {"text": words, "annotations": list(annotations)}
        done = message | {"status": "incomplete" if unfinished else "completed", "content": [final]}

        def body() -> Iterator[Event]:
            yield self.event("response.content_part.added", **at, part=part)
            for piece in pieces(words):
                time.sleep(delay)
                yield self.event("response.output_text.delta", **at, delta=piece, logprobs=[])
            for n, annotation in enumerate(annotations):
                yield self.event("response.output_text.annotation.added", **at, annotation_index=n, annotation=annotation)
            yield self.event("response.output_text.done", **at, text=words, logprobs=[])
            yield self.event("response.content_part.done", **at, part=final)

        yield from self.item(message, done, body())

    def refusal(self, words: str) -> Iterator[Event]:
        index = len(self.output)
        item_id = f"msg_fake_{self.number}_{index}"
        at = {"item_id": item_id, "output_index": index, "content_index": 0}
        message = {"id": item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        final = {"type": "refusal", "refusal": words}

        def body() -> Iterator[Event]:
            yield self.event("response.content_part.added", **at, part={"type": "refusal", "refusal": ""})
            for piece in pieces(words):
                yield self.event("response.refusal.delta", **at, delta=piece)
            yield self.event("response.refusal.done", **at, refusal=words)
            yield self.event("response.content_part.done", **at, part=final)

        yield from self.item(message, message | {"status": "completed", "content": [final]}, body())

    def reasoning(self, *thoughts: str) -> Iterator[Event]:
        index = len(self.output)
        item_id = f"rs_fake_{self.number}_{index}"
        item = {"id": item_id, "type": "reasoning", "summary": []}

        def body() -> Iterator[Event]:
            for n, thought in enumerate(thoughts):
                at = {"item_id": item_id, "output_index": index, "summary_index": n}
                yield self.event("response.reasoning_summary_part.added", **at, part={"type": "summary_text", "text": ""})
                for piece in pieces(thought):
                    yield self.event("response.reasoning_summary_text.delta", **at, delta=piece)
                yield self.event("response.reasoning_summary_text.done", **at, text=thought)
                yield self.event("response.reasoning_summary_part.done", **at, part={"type": "summary_text", "text": thought})

        done = item | {"summary": [{"type": "summary_text", "text": t} for t in thoughts]}
        yield from self.item(item, done, body())

    def call(self, name: str, arguments: Event) -> Iterator[Event]:
        index = len(self.output)
        item_id = f"fc_fake_{self.number}_{index}"
        text = json.dumps(arguments)
        call = {
            "id": item_id, "type": "function_call", "status": "in_progress", "name": name,
            "call_id": f"call_fake_{self.number}_{index}", "arguments": "",
        }
        at = {"item_id": item_id, "output_index": index}

        def body() -> Iterator[Event]:
            for piece in pieces(text):
                yield self.event("response.function_call_arguments.delta", **at, delta=piece)
            yield self.event("response.function_call_arguments.done", **at, name=name, arguments=text)

        yield from self.item(call, call | {"status": "completed", "arguments": text}, body())

    def image(self) -> Iterator[Event]:
        index = len(self.output)
        item_id = f"ig_fake_{self.number}_{index}"
        at = {"item_id": item_id, "output_index": index}
        item = {"id": item_id, "type": "image_generation_call", "status": "in_progress", "result": None}

        def body() -> Iterator[Event]:
            yield self.event("response.image_generation_call.in_progress", **at)
            yield self.event("response.image_generation_call.generating", **at)
            yield self.event("response.image_generation_call.partial_image", **at, partial_image_index=0, partial_image_b64=PNG)
            yield self.event("response.image_generation_call.completed", **at)

        yield from self.item(item, item | {"status": "completed", "result": PNG}, body())


def pieces(text: str) -> Iterator[str]:
    """Cuts a text into deltas as a model does: mostly words, sometimes less."""
    for n, word in enumerate(text.split(" ")):
        word = word if n == 0 else " " + word
        if n % 3 == 2 and len(word) > 2:
            yield word[:2]
            word = word[2:]
        if word:
            yield word


# The scenarios. Each is given the script and the number of the round: how many
# tool outputs the model has been handed since the user's message.

def plain(s: Script, _: int) -> Iterator[Event]:
    yield from s.message("Hello there, this is a plain answer in a few words.")


def thinking(s: Script, _: int) -> Iterator[Event]:
    yield from s.reasoning("**First**\n\nLook at the list of tasks.", "**Then**\n\nSay what is left.")
    yield from s.message("There is nothing left.")


def tools(s: Script, outputs: int) -> Iterator[Event]:
    if outputs == 0:
        yield from s.call("add_task", {"title": "Buy oat milk"})
        yield from s.call("add_task", {"title": "Call Anna"})
    else:
        yield from s.message("Both tasks are on your list.")


def several(s: Script, _: int) -> Iterator[Event]:
    # The same id twice, and again in every answer: an id of the provider's is
    # not to be relied on.
    yield from s.message("One moment.", item_id="msg_same")
    yield from s.message("Here is the answer.", item_id="msg_same")


def citations(s: Script, _: int) -> Iterator[Event]:
    words = "Milk is white and comes from cows."
    yield from s.message(words, annotations=(
        {"type": "url_citation", "url": "https://example.com/milk", "title": "Milk", "start_index": 0, "end_index": 13},
        {"type": "url_citation", "url": "https://example.com/cow", "title": "Cow", "start_index": 18, "end_index": len(words)},
    ))


def files(s: Script, _: int) -> Iterator[Event]:
    yield from s.message("It is in the file.", annotations=(
        {"type": "file_citation", "file_id": "file_1", "filename": "list.pdf", "index": 18},
        {
            "type": "container_file_citation", "container_id": "cntr_1", "file_id": "cfile_1", "filename": "sum.csv",
            "start_index": 0, "end_index": 5,
        },
    ))


def refusal(s: Script, _: int) -> Iterator[Event]:
    yield from s.refusal("I cannot help with that.")


def image(s: Script, _: int) -> Iterator[Event]:
    yield from s.image()
    yield from s.message("Here is your picture.")


def emoji(s: Script, _: int) -> Iterator[Event]:
    yield from s.message(EMOJI)


def incomplete(s: Script, _: int) -> Iterator[Event]:
    yield from s.message("This answer is cut sho", unfinished=True)
    yield s.event("response.incomplete", response=s.response("incomplete", incomplete_details={"reason": "max_output_tokens"}))


def failed(s: Script, _: int) -> Iterator[Event]:
    yield from s.message("This was said before it failed.")
    yield s.event("response.failed", response=s.response("failed", error={"code": "server_error", "message": SECRET}))


def cut(s: Script, _: int) -> Iterator[Event]:
    yield from s.message("This is all before the line breaks.")
    raise Cut


def slow(s: Script, _: int) -> Iterator[Event]:
    yield from s.message("word " * 400, delay=0.05)


SCENARIOS: dict[str, Callable[[Script, int], Iterator[Event]]] = {
    "plain": plain, "reasoning": thinking, "tool": tools, "several": several, "citation": citations, "file": files,
    "refusal": refusal, "image": image, "emoji": emoji, "incomplete": incomplete, "fail": failed, "cut": cut, "slow": slow,
}
TERMINAL = ("response.incomplete", "response.failed")


def text_of(item: Event) -> str:
    content = item.get("content", "")
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def stream(body: Event, number: int) -> Iterator[Event]:
    """Yields the events that answer one request."""
    given = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    newest = max((n for n, item in enumerate(given) if item.get("role") == "user"), default=-1)
    outputs = sum(item.get("type") == "function_call_output" for item in given[newest + 1:])
    scenario = plain
    for item in given[newest::-1]:  # behind the message there may be notes on it
        if item.get("role") != "user":
            break
        words = text_of(item).lower()
        if chosen := next((run for word, run in SCENARIOS.items() if word in words), None):
            scenario = chosen
            break
    script = Script(body["model"], number)
    yield from script.open()
    last = ""
    for event in scenario(script, outputs):
        last = event["type"]
        yield event
    if last not in TERMINAL:
        yield from script.close()


class Fake:
    """The server. Use it as a context; base_url is what OPENAI_BASE_URL is set to."""

    def __init__(self) -> None:
        self.requests: list[Event] = []
        self.problems: list[str] = []
        self.gone = threading.Event()  # a client hung up in the middle of an answer
        self.lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fake.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self) -> Fake:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        if handler.path != "/v1/responses":
            with self.lock:
                self.problems.append(f"POST {handler.path} is not the Responses API")
            handler.send_error(404)
            return
        body = json.loads(raw)
        with self.lock:
            self.requests.append(body)
            number = len(self.requests)
            if handler.headers.get("authorization") != f"Bearer {API_KEY}":
                self.problems.append(f"request {number} came without the API key")
        handler.send_response(200)
        handler.close_connection = True
        if not body.get("stream"):
            events = list(stream(body, number))
            payload = json.dumps(events[-1]["response"]).encode()
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(payload)))
            handler.end_headers()
            handler.wfile.write(payload)
            return
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        handler.send_header("connection", "close")
        handler.end_headers()
        try:
            for event in stream(body, number):
                handler.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                handler.wfile.flush()
        except Cut:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.gone.set()
