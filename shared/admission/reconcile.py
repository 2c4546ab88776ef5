"""Merging what a gate admitted with what it hears of other gates.

A local admission never disappears through a merge.
"""

from collections.abc import Iterable

from shared.admission.facts import Passage


def merge_passages(local: Iterable[Passage], heard: Iterable[Passage]) -> tuple[Passage, ...]:
    """Unite two sets of passages of one ticket, oldest first.

    The gate's own word wins for its own scans.
    """
    united = {passage.scan_id: passage for passage in heard}
    united.update({passage.scan_id: passage for passage in local})
    return tuple(sorted(united.values(), key=lambda item: (item.at_ms, item.scan_id)))
