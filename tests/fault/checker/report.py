"""What was checked, how often, and what was wrong: counts per invariant, a bounded list of examples each."""

from __future__ import annotations

from dataclasses import dataclass, field

EXAMPLES_MAX = 20  # violations that are told in words, for each invariant; all are counted
DEFINITE_MIN = 0.95  # of the clients' operations: below it the run proves nothing
ACCEPTED_MIN = 0.90  # of the orders sent

NAMES = {
    "I1": "no acknowledged order lost",
    "I2": "no order that nobody sent",
    "I3": "N retries: one order, one answer",
    "I4": "stock conserved at every ledger prefix",
    "I5": "one reservation per order line; released or shipped once",
    "I6": "every transition is in the table, revision +1 each",
    "I7": "every order has ended or waits for a named person",
    "I8": "cancelled or rejected: nothing reserved",
    "I9": "each department's log has all events addressed to it",
    "I10": "per topic and key: in sequence, without gaps",
    "I11": "each event applied once",
    "I12": "one notification per cause, kind, channel, recipient",
    "I13": "epochs only rise, nothing applied under an old one",
    "I14": "the saga rebuilt from Kafka is the row in PostgreSQL",
    "I15": "all published; only what was injected is held",
    "I16": "invoices less credits are payable, to the minor unit",
    "I17": "applied + duplicates + dead letters + held = consumed",
}


@dataclass
class Invariant:
    number: str
    checked: int = 0
    violations: int = 0
    examples: list[str] = field(default_factory=list)

    def fail(self, key: str, text: str) -> None:
        """key: the order's id, or what stands in for it (a product's stock, a slot)."""
        self.violations += 1
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(f"{key}: {text}")

    def check(self, good: bool, key: str, text: str) -> None:
        self.checked += 1
        if not good:
            self.fail(key, text)


class Report:
    def __init__(self):
        self.invariants = {number: Invariant(number) for number in NAMES}
        self.numbers: dict[str, float | int] = {}  # shares and sizes, printed as they are
        self.vacuous: list[str] = []

    def __getitem__(self, number: str) -> Invariant:
        return self.invariants[number]

    def share(self, name: str, part: int, whole: int, least: float) -> None:
        share = part / whole if whole else 0.0
        self.numbers[name] = round(share, 4)
        if share < least:
            self.vacuous.append(f"only {part} of {whole} operations are {name}: at least {least:.0%} must be")

    def finish(self) -> None:
        self.vacuous += [f"{one.number} was never checked" for one in self.invariants.values() if one.checked == 0]

    @property
    def good(self) -> bool:
        return not self.vacuous and not any(one.violations for one in self.invariants.values())

    def text(self) -> str:
        lines = [f"{'':4} {'checked':>10} {'violated':>8}"]
        for one in self.invariants.values():
            lines.append(f"{one.number:4} {one.checked:10} {one.violations:8}  {NAMES[one.number]}")
        for one in self.invariants.values():
            lines += [f"{one.number} {example}" for example in one.examples]
            if one.violations > len(one.examples):
                lines.append(f"{one.number} and {one.violations - len(one.examples)} more")
        lines += [f"{name}: {value}" for name, value in self.numbers.items()]
        lines += [f"proves nothing: {reason}" for reason in self.vacuous]
        lines.append("all invariants hold" if self.good else "FAILED")
        return "\n".join(lines)

    def document(self) -> dict:
        return {"good": self.good, "vacuous": self.vacuous, "numbers": self.numbers,
                "invariants": {one.number: {"name": NAMES[one.number], "checked": one.checked, "violations": one.violations,
                                            "examples": one.examples} for one in self.invariants.values()}}
