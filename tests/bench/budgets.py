"""The budgets, and the lines of the report that hold figures against them. Measures nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a figure may be at most, or at least."""

    what: str
    figure: Callable[[Result], float]
    limit: float
    unit: str
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside its budget; `over_by` is a share of the budget, zero where it is kept."""

    part: str
    what: str
    figure: float
    limit: float
    unit: str
    at_least: bool
    over_by: float

    @property
    def kept(self) -> bool:
        return self.over_by == 0

    @property
    def verdict(self) -> str:
        return "kept" if self.kept else f"missed by {self.over_by:.0%}"


def _slowest_start(result: Result) -> float:
    seconds: list[float] = [start["ready_seconds"] for start in (*result["cold"], *result["warm"])]
    return max(seconds)


BUDGETS: Final[Mapping[str, tuple[Budget, ...]]] = {
    "verdict": (
        Budget("code to durable verdict, p50", lambda r: r["tickets_100k"]["p50"], 1.5, "ms"),
        Budget("code to durable verdict, p99", lambda r: r["tickets_100k"]["p99"], 5, "ms"),
        Budget("the same with 1,000,000 tickets", lambda r: r["p50_ratio_1m_to_100k"], 1.2, "x"),
    ),
    "frames": (
        Budget("frame with a code, p50", lambda r: r["with_code"]["p50"], 4, "ms"),
        Budget("frame with a code, p95", lambda r: r["with_code"]["p95"], 12, "ms"),
        Budget("frame without a code, p50", lambda r: r["without_code"]["p50"], 4, "ms"),
        Budget("frame without a code, p95", lambda r: r["without_code"]["p95"], 12, "ms"),
    ),
    "screen": (
        Budget(
            "frame to screen, core six times slower, p90",
            lambda r: r["six_times_slower"]["camera_to_screen"]["p90"],
            100,
            "ms",
        ),
    ),
    "start": (
        Budget("kiosk start to ready, slowest of all", _slowest_start, 2.5, "s"),
        Budget("kiosk memory after 100 scans", lambda r: r["memory"]["highest_mb"], 300, "MB"),
    ),
    "server": (
        Budget("snapshot, build", lambda r: r["snapshot_build_seconds"], 5, "s"),
        Budget("snapshot, size a ticket", lambda r: r["snapshot_bytes_per_ticket"], 200, "bytes"),
        Budget(
            "snapshot, download to open", lambda r: r["snapshot_download_to_open_seconds"], 2, "s"
        ),
        Budget("change, gate to gate, p95", lambda r: r["change_p95_ms"], 1_000, "ms"),
        Budget(
            "scans in, one process", lambda r: r["scans_per_second"], 2_000, "/s", at_least=True
        ),
    ),
    "orders": (
        Budget(
            "paid orders, one process",
            lambda r: r["paid_orders_per_second"],
            135,
            "/s",
            at_least=True,
        ),
        Budget(
            "ledger transactions to bare inserts",
            lambda r: r["books_to_bare"],
            0.5,
            "x",
            at_least=True,
        ),
    ),
    "jobs": (
        Budget("jobs done", lambda r: r["jobs_done_per_second"], 250, "/s", at_least=True),
        Budget("news to its job begun, p95", lambda r: r["relay_p95_ms"], 1_000, "ms"),
    ),
    "realtime": (
        Budget("news to 500 listeners, p95", lambda r: r["heard_ms"]["p95"], 1_000, "ms"),
        Budget("memory a listener", lambda r: r["memory_kb_a_stream"], 100, "KB"),
        Budget(
            "500 rights lost at once, last stream ended",
            lambda r: r["ended_ms"]["max"],
            1_000,
            "ms",
        ),
    ),
}


def lines_of(part: str, result: Result) -> list[Line]:
    """Hold a part's result against its budgets."""
    return [_line(part, budget, budget.figure(result)) for budget in BUDGETS[part]]


def _line(part: str, budget: Budget, figure: float) -> Line:
    excess = budget.limit - figure if budget.at_least else figure - budget.limit
    over_by = max(0.0, excess / budget.limit)
    return Line(
        part, budget.what, figure, budget.limit, budget.unit, budget.at_least, round(over_by, 4)
    )


def remarks_on(part: str, result: Result) -> list[str]:
    """Say what belongs to a part's figures but has no budget."""
    remark = _REMARKS.get(part)
    return [] if remark is None else remark(result)


def _on_frames(result: Result) -> list[str]:
    hard = result["hard"]
    ours = hard["bigger look"]
    shares = [f"{name} {figures['read_share']:.1%}" for name, figures in hard.items()]
    slower = [
        f"{name} takes {hard[name]['p50'] / ours['p50']:.1f} times as long as the bigger look"
        for name in ("pyzbar", "opencv")
        if name in hard
    ]
    wrong = sum(figures["misread"] for figures in hard.values())
    return [
        f"hard frames read: {'; '.join(shares)} (misread by any: {wrong})",
        f"on hard frames, median: {'; '.join(slower)}",
    ]


def _on_screen(result: Result) -> list[str]:
    full, slow = (result[speed]["camera_to_screen"] for speed in ("full_speed", "six_times_slower"))
    share = result["six_times_slower"]["processor_share"]
    slowed_by = result["slowing_measured"]
    return [
        f"at full speed: p50 {full['p50']} ms, p90 {full['p90']} ms; slowed: p50 {slow['p50']} ms",
        f"slowed: {result['slowing']}; a busy loop gets {slowed_by} times slower",
        f"the slowed kiosk had {share:.1%} of the core; {result['renderer']}",
    ]


def _on_start(result: Result) -> list[str]:
    cold, warm, headless = (
        min(start["ready_seconds"] for start in result[kind])
        for kind in ("cold", "warm", "headless_warm")
    )
    memory = result["memory_headless"]["highest_mb"]
    return [f"best start: cold {cold} s, warm {warm} s, headless {headless} s and {memory} MB"]


def _on_orders(result: Result) -> list[str]:
    four, mine = result["paid_orders_per_second_in_four"], result["order_processor_ms"]
    posted, bare = result["transactions_per_second"], result["bare_inserts_per_second"]
    return [
        f"in four processes: {four}/s; processor time of ours an order: {mine} ms",
        f"ledger transactions: {posted}/s; bare inserts: {bare}/s, one connection each",
    ]


def _on_jobs(result: Result) -> list[str]:
    enqueued, median = result["jobs_enqueued_per_second"], result["relay_median_ms"]
    return [f"enqueued in batches: {enqueued}/s; news to its job begun, median: {median} ms"]


def _on_realtime(result: Result) -> list[str]:
    heard, ended = result["heard_ms"], result["ended_ms"]
    return [
        f"commit to ear: p50 {heard['p50']} ms, p99 {heard['p99']} ms, most {heard['max']} ms",
        f"right lost to stream ended, 500 at once: p50 {ended['p50']} ms, p95 {ended['p95']} ms",
        f"the server's memory with {result['streams']} streams: {result['server_memory_mb']} MB",
    ]


_REMARKS: Final[Mapping[str, Callable[[Result], list[str]]]] = {
    "frames": _on_frames,
    "screen": _on_screen,
    "start": _on_start,
    "orders": _on_orders,
    "jobs": _on_jobs,
    "realtime": _on_realtime,
}
