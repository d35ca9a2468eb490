"""Checks the golden files of package chatkit against the reference's own types.

Each file must be accepted by openai-chatkit's pydantic model, and what that model
writes back must say the same: nothing lost, nothing renamed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chatkit import types as ck
from pydantic import TypeAdapter

from reference import disagreement
from report import Report

GOLDEN = Path(__file__).resolve().parent.parent / "chatkit" / "testdata" / "golden"

ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "event": TypeAdapter(ck.ThreadStreamEvent),
    "item": TypeAdapter(ck.ThreadItem),
    "task": TypeAdapter(ck.Task),
    "thread": TypeAdapter(ck.Thread),
    "page": TypeAdapter(ck.Page[ck.ThreadItem] | ck.Page[ck.Thread]),
}


def check(path: Path) -> str:
    """Returns what is wrong with one golden file, or nothing."""
    return disagreement(ADAPTERS[path.parent.name], path.read_text(encoding="utf-8"))


def run(report: Report) -> None:
    report.start("golden files")
    files = sorted(GOLDEN.glob("*/*.json"))
    report.check("there are golden files", len(files) > 60, f"found {len(files)} in {GOLDEN}")
    for path in files:
        problem = check(path)
        report.check(f"{path.parent.name}/{path.stem}", not problem, problem)
