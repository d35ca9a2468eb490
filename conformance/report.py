"""Collects the results of the checks and prints them as a table."""

from __future__ import annotations

import sys
from collections import Counter


class Report:
    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.groups: list[str] = []
        self.group = ""
        self.side = ""  # stands before the names of groups, such as "offline: "

    def start(self, group: str) -> None:
        """Names the part that the following checks belong to."""
        group = self.side + group
        self.group = group
        if group not in self.groups:
            self.groups.append(group)

    def check(self, what: str, ok: bool, why: str = "") -> bool:
        """Records one check; a failed one is shown at once with its reason."""
        if ok:
            self.passed[self.group] += 1
            return True
        self.failed[self.group] += 1
        print(f"FAIL  {self.group}: {what}\n      {why[:2000]}", flush=True)
        return False

    def equal(self, what: str, got: object, want: object) -> bool:
        return self.check(what, got == want, f"got {got!r}, want {want!r}")

    def finish(self) -> int:
        """Prints the table and the closing line; returns the exit status."""
        width = max(map(len, self.groups), default=0)
        print(f"\n{'':{width}}  passed  failed")
        for group in self.groups:
            print(f"{group:{width}}  {self.passed[group]:6}  {self.failed[group]:6}")
        passed, failed = self.passed.total(), self.failed.total()
        print(f"\n{passed} passed, {failed} failed")
        sys.stdout.flush()
        return 0 if passed and not failed else 1
