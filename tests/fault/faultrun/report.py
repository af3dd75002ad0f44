"""What a run says at its end: counts against the table, recovery times against the promise, what was wrong."""

from __future__ import annotations

from collections import Counter, defaultdict

# p99, by what failed.
SERVICE_S, DATABASE_S, BROKER_S = 5, 15, 30
PROMISE_S = {"database killed": DATABASE_S, "sessions terminated": DATABASE_S, "full disk": DATABASE_S, "half-open database": DATABASE_S,
             "500 ms delay": DATABASE_S, "slow database": DATABASE_S, "broker killed": BROKER_S, "half-open broker": BROKER_S, "5 % loss": BROKER_S}


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def recovery(lines: list[dict]) -> dict[str, dict]:
    """By kind: n, p50, p90, p99, max, promise. Told, never asserted."""
    times: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if line.get("recovered_s") is not None:
            times[line["kind"]].append(line["recovered_s"])
    return {kind: {"n": len(values), "p50": quantile(values, 0.5), "p90": quantile(values, 0.9), "p99": quantile(values, 0.99), "max": max(values),
                   "promise_s": PROMISE_S.get(kind, SERVICE_S)} for kind, values in sorted(times.items())}


def counts(lines: list[dict]) -> dict[str, dict]:
    """By kind: how many were made, how many count, least and most in flight."""
    found: dict[str, dict] = {}
    made = Counter(line["kind"] for line in lines)
    for kind, number in sorted(made.items()):
        good = [line for line in lines if line["kind"] == kind and "error" not in line]
        flights = [line["in_flight"] for line in good] or [0]
        found[kind] = {"made": number, "count": len(good), "in_flight_min": min(flights), "in_flight_max": max(flights),
                       "bound": round(3 / len(good), 4) if good else None}
    return found


def show(counted: dict[str, dict], times: dict[str, dict], unsupported: dict[str, str], notes: list[str], failures: list[str]) -> None:
    print(f"\n{'fault':<24}{'made':>6}{'count':>7}{'in flight':>12}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}{'promise':>9}")
    for kind, row in counted.items():
        time = times.get(kind)
        cells = "".join(f"{time[name]:>8.1f}" for name in ("p50", "p90", "p99", "max")) + f"{time['promise_s']:>7} s" if time else ""
        print(f"{kind:<24}{row['made']:>6}{row['count']:>7}{row['in_flight_min']:>6}–{row['in_flight_max']:<5}{cells}")
    for kind, why in unsupported.items():
        print(f"{kind}: not made: {why}")
    for note in notes:
        print(note)
    for failure in failures:
        print(f"FAILED {failure}")
    print("passed" if not failures else f"{len(failures)} failures", flush=True)
