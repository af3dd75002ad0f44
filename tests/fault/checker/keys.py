"""Compact state per key: each order or product gets a small number, and what is kept of it stands in columns at that number."""

from __future__ import annotations

from array import array


class Keys:
    def __init__(self):
        self._numbers: dict[str, int] = {}
        self.names: list[str] = []
        self._arrays: list[tuple[array, int]] = []
        self._lists: list[list] = []

    def __len__(self) -> int:
        return len(self.names)

    def find(self, key: str) -> int | None:
        return self._numbers.get(key)

    def number(self, key: str) -> int:
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.names)
            self.names.append(key)
            for column, empty in self._arrays:
                column.append(empty)
            for column in self._lists:
                column.append(None)
        return found

    def integers(self, empty: int = 0) -> array:
        """A column of 64-bit integers, as long as there are keys."""
        column = array("q", [empty]) * len(self.names)
        self._arrays.append((column, empty))
        return column

    def objects(self) -> list:
        """A column of anything; None where nothing was put."""
        column: list = [None] * len(self.names)
        self._lists.append(column)
        return column

    def drop(self, column) -> None:
        """The column isn't followed any more."""
        self._arrays = [pair for pair in self._arrays if pair[0] is not column]
        self._lists = [one for one in self._lists if one is not column]


class Words:
    """Texts that come again and again (states, owners, rules' events) as small numbers."""

    def __init__(self):
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    def number(self, word: str) -> int:
        found = self._numbers.get(word)
        if found is None:
            found = self._numbers[word] = len(self._names)
            self._names.append(word)
        return found

    def name(self, number: int) -> str:
        return self._names[number] if 0 <= number < len(self._names) else ""
