"""Merkle trees as certificate logs build them (RFC 6962, RFC 9162): root, inclusion, consistency;
pure.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"
_EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """A leaf and a node are hashed under different first bytes, so that neither passes for the
    other.
    """
    return sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Fold leaf hashes to one; the tree of nothing has a root as well."""
    if not leaves:
        return _EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return node_hash(root_hash(leaves[:middle]), root_hash(leaves[middle:]))


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Give the neighbours that lead from leaf `index` to the root, lowest first."""
    if not 0 <= index < len(leaves):
        message = f"there is no leaf {index} among {len(leaves)}"
        raise ValueError(message)
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    if index < middle:
        return [*inclusion_path(leaves[:middle], index), root_hash(leaves[middle:])]
    return [*inclusion_path(leaves[middle:], index - middle), root_hash(leaves[:middle])]


def is_included(leaf: bytes, index: int, count: int, path: Sequence[bytes], root: bytes) -> bool:
    """Say whether `path` leads from the leaf at `index` of `count` to the root."""
    if not 0 <= index < count:
        return False
    place, last, folded = index, count - 1, leaf
    for neighbour in path:
        if last == 0:
            return False
        if place % 2 or place == last:
            folded = node_hash(neighbour, folded)
            place, last = _climb_past_lone_nodes(place, last)
        else:
            folded = node_hash(folded, neighbour)
        place, last = place // 2, last // 2
    return last == 0 and folded == root


def consistency_path(leaves: Sequence[bytes], old_count: int) -> list[bytes]:
    """Give the nodes that show that the tree of the first `old_count` leaves is this one's
    beginning.
    """
    if not 0 < old_count <= len(leaves):
        message = f"a tree of {len(leaves)} leaves never had {old_count}"
        raise ValueError(message)
    return _consistency(leaves, old_count, is_whole=True)


def is_consistent(
    counts: tuple[int, int], roots: tuple[bytes, bytes], path: Sequence[bytes]
) -> bool:
    """Say whether the older tree (first of each pair) is the beginning of the newer."""
    old_count, new_count = counts
    if not 0 < old_count <= new_count:
        return False
    if old_count == new_count:
        return not path and roots[0] == roots[1]
    # The root of an older tree that is a whole subtree of the newer is its own first step.
    steps = [roots[0], *path] if old_count & (old_count - 1) == 0 else list(path)
    return bool(steps) and _leads_to_both(old_count - 1, new_count - 1, roots, steps)


def _leads_to_both(
    old_last: int, new_last: int, roots: tuple[bytes, bytes], steps: Sequence[bytes]
) -> bool:
    while old_last % 2:
        old_last, new_last = old_last // 2, new_last // 2
    old_folded = new_folded = steps[0]
    for neighbour in steps[1:]:
        if new_last == 0:
            return False
        if old_last % 2 or old_last == new_last:
            old_folded = node_hash(neighbour, old_folded)
            new_folded = node_hash(neighbour, new_folded)
            old_last, new_last = _climb_past_lone_nodes(old_last, new_last)
        else:
            new_folded = node_hash(new_folded, neighbour)
        old_last, new_last = old_last // 2, new_last // 2
    return new_last == 0 and (old_folded, new_folded) == roots


def _consistency(leaves: Sequence[bytes], old_count: int, *, is_whole: bool) -> list[bytes]:
    if old_count == len(leaves):
        return [] if is_whole else [root_hash(leaves)]
    middle = _split(len(leaves))
    if old_count <= middle:
        left = _consistency(leaves[:middle], old_count, is_whole=is_whole)
        return [*left, root_hash(leaves[middle:])]
    right = _consistency(leaves[middle:], old_count - middle, is_whole=False)
    return [*right, root_hash(leaves[:middle])]


def _climb_past_lone_nodes(place: int, last: int) -> tuple[int, int]:
    """Where a node has no right neighbour it stands in for its parent."""
    while place % 2 == 0 and place != 0:
        place, last = place // 2, last // 2
    return place, last


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)
