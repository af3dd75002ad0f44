"""How a double misbehaves: probabilities that can be changed while it runs, and choices that depend on the seed alone.

A choice is made from (seed, what it is about), never from a shared random stream: threads and restarts don't change it.
"""

from __future__ import annotations

import random
from argparse import ArgumentParser, Namespace
from dataclasses import asdict, dataclass, fields


@dataclass
class Misbehaviour:
    seed: int = 1
    slow: float = 0.0  # share of answers that take `slow_ms` longer
    slow_ms: int = 2000
    silent: float = 0.0  # share of requests that are accepted and never answered
    fail: float = 0.0  # share of requests that are answered with an error (the sender tries again)
    twice: float = 0.0  # share of answers that are sent twice
    late: float = 0.0  # share of answers that come once more, `late_ms` later
    late_ms: int = 5000
    reorder: float = 0.0  # share of answers that change places with the one after them

    @staticmethod
    def add_options(parser: ArgumentParser) -> None:
        for field in fields(Misbehaviour):
            kind = int if field.type == "int" else float
            parser.add_argument("--" + field.name.replace("_", "-"), type=kind, default=field.default, metavar="N")

    @classmethod
    def of(cls, options: Namespace) -> Misbehaviour:
        return cls(**{field.name: getattr(options, field.name) for field in fields(cls)})

    def change(self, values: dict) -> None:
        """Sets some of the fields; ValueError on an unknown name or a value that isn't a number."""
        known = {field.name: field.type for field in fields(self)}
        for name, value in values.items():
            if name not in known or isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{name}: unknown, or not a number; there are {', '.join(known)}")
        for name, value in values.items():
            setattr(self, name, int(value) if known[name] == "int" else float(value))

    def as_dict(self) -> dict:
        return asdict(self)

    def draw(self, *about: object) -> float:
        """A number in [0, 1) that depends on the seed and the subject alone."""
        return random.Random("|".join(map(str, (self.seed, *about)))).random()

    def choose(self, name: str, *about: object) -> bool:
        """Whether this misbehaviour strikes this request."""
        share = getattr(self, name)
        return share > 0 and self.draw(name, *about) < share

    def jitter(self, mean_ms: float, *about: object) -> float:
        """A duration in seconds around the mean (half to one and a half of it)."""
        if mean_ms <= 0:
            return 0.0
        return mean_ms * (0.5 + self.draw("jitter", *about)) / 1000
