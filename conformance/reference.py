"""Judges JSON by the pydantic types of openai-chatkit."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from chatkit import types as ck
from pydantic import TypeAdapter

EVENT: TypeAdapter[Any] = TypeAdapter(ck.ThreadStreamEvent)
THREAD: TypeAdapter[Any] = TypeAdapter(ck.Thread)
THREAD_PAGE: TypeAdapter[Any] = TypeAdapter(ck.Page[ck.Thread])
ITEM_PAGE: TypeAdapter[Any] = TypeAdapter(ck.Page[ck.ThreadItem])
REQUEST: TypeAdapter[Any] = TypeAdapter(ck.ChatKitReq)

HIDDEN = ("hidden_context_item", "sdk_hidden_context")

# What a field of these names holds is the application's own: null may stand in it.
OPAQUE = ("data", "arguments", "output", "result", "widget", "component")


def comparable(value: Any, key: str = "") -> Any:
    """Brings both sides into one form: absent is null, an instant is an instant."""
    if isinstance(value, dict):
        return {k: comparable(v, k) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [comparable(v) for v in value]
    if key == "created_at":
        return datetime.fromisoformat(value).timestamp()
    return value


def disagreement(adapter: TypeAdapter[Any], text: str) -> str:
    """Returns why the reference would refuse a text or read it differently, or "".

    What its model writes back must say the same as the text: then nothing has an
    unknown name and nothing is lost on a client that uses these types.
    """
    try:
        model = adapter.validate_json(text)
    except ValueError as err:
        return f"{err}\n      {text[:1000]}"
    want = comparable(adapter.dump_python(model, mode="json", by_alias=True))
    got = comparable(json.loads(text))
    if got != want:
        return f"the reference reads {json.dumps(want)}\n      of {json.dumps(got)}"
    return ""


def faults(value: Any, path: str = "") -> list[str]:
    """Finds what the types let pass: nulls, times without a zone, hidden items."""
    found: list[str] = []
    if isinstance(value, dict):
        if value.get("type") in HIDDEN:
            found.append(f"{path} is hidden")
        for key, v in value.items():
            at = f"{path}.{key}" if path else key
            if v is None:
                found.append(f"{at} is null")
            if key == "created_at" and datetime.fromisoformat(v).tzinfo is None:
                found.append(f"{at} has no zone")
            if key not in OPAQUE or isinstance(v, list):  # a page's data is a list
                found += faults(v, at)
    elif isinstance(value, list):
        for n, v in enumerate(value):
            found += faults(v, f"{path}[{n}]")
    return found
