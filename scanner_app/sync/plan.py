"""What sync does next and when, decided from plain values. Pure: no clock, network or thread."""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

ONLINE_MS: Final = 4_000
"""A server not heard for longer is out of reach: a cable was pulled."""
MISSES_MAX: Final = 2
"""So many calls in a row that did not get through say the same sooner: a server was stopped.

One alone may be a connection that was closed while nobody used it.
"""
STREAM_SPEAKING_MS: Final = 1_600
"""A wake-up stream that sent nothing for longer is not relied on."""
POLL_QUIET_MS: Final = 750
"""Between polls while the wake-up stream is silent or down."""
POLL_SPEAKING_MS: Final = 2_500
"""Between polls while the stream speaks: in case a wake-up was lost, and well below ONLINE_MS."""
MANIFEST_MS: Final = 60_000
UPLOAD_IDLE_MS: Final = 5_000
SET_ASIDE_MS: Final = 60_000
"""How long an entry that the server cannot read waits for its next try."""
ROUND_TRIP_MAX_MS: Final = 2_000
RENEWAL_MS: Final = 120_000
"""A token is renewed when it has less than this, or less than half its life, left."""


class SeqRange(NamedTuple):
    """Entries from the first number to the last, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What is known about uploading besides the journal itself; each event gives a new plan.

    `batch_size` shrinks while the server cannot read a batch, until the one entry to blame is
    alone; that one is set aside, so that it delays no other.
    """

    batch_max: int
    batch_size: int
    missing: tuple[SeqRange, ...] = ()
    set_aside: frozenset[int] = frozenset()

    @classmethod
    def begin(cls, batch_max: int) -> Self:
        return cls(batch_max=batch_max, batch_size=batch_max)

    @property
    def next_missing(self) -> SeqRange | None:
        """The first gap the server told of, as much of it as fits in a batch."""
        if not self.missing:
            return None
        first, last = self.missing[0]
        return SeqRange(first, min(last, first + self.batch_size - 1))

    @property
    def oldest_limit(self) -> int:
        """How many unanswered entries to read for a full batch without those set aside."""
        return self.batch_size + len(self.set_aside)

    def choose(self, seqs: tuple[int, ...]) -> tuple[int, ...]:
        """Take the entries of the next batch from the oldest unanswered ones."""
        return tuple(seq for seq in seqs if seq not in self.set_aside)[: self.batch_size]

    def after_answer(
        self, sent: tuple[int, ...], missing: tuple[tuple[int, int], ...] = ()
    ) -> "UploadPlan":
        """Learn the gaps the server has; what was just sent, or set aside, is not sent at once."""
        told = replace(
            self,
            batch_size=min(self.batch_max, self.batch_size * 2),
            missing=tuple(SeqRange(first, last) for first, last in missing),
        )
        told = told.without(SeqRange(sent[0], sent[-1]))
        for seq in self.set_aside:
            told = told.without(SeqRange(seq, seq))
        return told

    def after_refusal(self, sent: tuple[int, ...]) -> "UploadPlan":
        """Halve the next batch, or set the one entry aside that the server cannot read."""
        if len(sent) > 1:
            return replace(self, batch_size=len(sent) // 2)
        alone = SeqRange(sent[0], sent[0])
        return replace(
            self.without(alone),
            batch_size=self.batch_max,
            set_aside=self.set_aside | {sent[0]},
        )

    def without(self, gone: SeqRange) -> "UploadPlan":
        """Forget gaps, whole or in part, that are not to be filled now."""
        left = tuple(part for gap in self.missing for part in _without(gap, gone))
        return replace(self, missing=left)

    def retrying(self) -> "UploadPlan":
        """Give the entries set aside another try."""
        return replace(self, set_aside=frozenset())


@dataclass(frozen=True, slots=True)
class TokenLife:
    """A token's life by the clock since boot, which the wall clock cannot shorten."""

    begins_ns: int
    lifetime_ms: int

    def needs_renewal(self, now_ns: int) -> bool:
        left_ms = self.lifetime_ms - (now_ns - self.begins_ns) // 1_000_000
        return left_ms < min(RENEWAL_MS, self.lifetime_ms // 2)


def is_online(heard_ago_ms: int | None, misses: int = 0) -> bool:
    """Say whether the server counts as in reach; None means it was never heard."""
    return heard_ago_ms is not None and heard_ago_ms <= ONLINE_MS and misses < MISSES_MAX


def poll_wait_ms(stream_heard_ago_ms: int | None) -> int:
    """Choose how long to wait for a wake-up before asking for changes anyway."""
    speaks = stream_heard_ago_ms is not None and stream_heard_ago_ms <= STREAM_SPEAKING_MS
    return POLL_SPEAKING_MS if speaks else POLL_QUIET_MS


def wants_snapshot(version_offered: int, version_held: int | None) -> bool:
    """Say whether an offered snapshot is worth a download."""
    return version_held is None or version_offered > version_held


def _without(gap: SeqRange, gone: SeqRange) -> tuple[SeqRange, ...]:
    before = SeqRange(gap.first, min(gap.last, gone.first - 1))
    after = SeqRange(max(gap.first, gone.last + 1), gap.last)
    return tuple(part for part in (before, after) if part.first <= part.last)
