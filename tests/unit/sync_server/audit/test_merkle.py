from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.audit import merkle

# The entries, roots and proofs that the reference implementation of RFC 6962 is tested with.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
NODE_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
NODE_23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
NODE_4567 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
NODE_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
NODE_45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
NODE_67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"


def _hex(path: list[bytes]) -> list[str]:
    return [step.hex() for step in path]


@pytest.mark.parametrize(("count", "root"), list(enumerate(ROOTS)))
def test_roots_are_the_published_ones(count: int, root: str) -> None:
    assert merkle.root_hash(LEAVES[:count]).hex() == root


@pytest.mark.parametrize(
    ("index", "count", "path"),
    [
        (0, 1, []),
        (0, 8, [NODE_1, NODE_23, NODE_4567]),
        (5, 8, [NODE_4, NODE_67, ROOTS[4]]),
        (2, 3, [ROOTS[2]]),
        (1, 5, [ROOTS[1], NODE_23, NODE_4]),
    ],
)
def test_inclusion_paths_are_the_published_ones(index: int, count: int, path: list[str]) -> None:
    assert _hex(merkle.inclusion_path(LEAVES[:count], index)) == path


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (1, 1, []),
        (1, 8, [NODE_1, NODE_23, NODE_4567]),
        (6, 8, [NODE_45, NODE_67, ROOTS[4]]),
        (2, 5, [NODE_23, NODE_4]),
    ],
)
def test_consistency_paths_are_the_published_ones(old: int, new: int, path: list[str]) -> None:
    assert _hex(merkle.consistency_path(LEAVES[:new], old)) == path


@st.composite
def _trees(draw: st.DrawFn) -> tuple[list[bytes], int]:
    count = draw(st.integers(1, 70))
    index = draw(st.integers(0, count - 1))
    return [merkle.leaf_hash(bytes([number])) for number in range(count)], index


@given(_trees())
def test_every_leaf_is_included_and_nowhere_else(tree: tuple[list[bytes], int]) -> None:
    leaves, index = tree
    root, path = merkle.root_hash(leaves), merkle.inclusion_path(leaves, index)
    accepted = [
        place
        for place in range(len(leaves) + 1)
        if merkle.is_included(leaves[index], place, len(leaves), path, root)
    ]
    assert accepted == [index]


@given(_trees(), st.data())
def test_a_changed_or_shortened_path_is_refused(
    tree: tuple[list[bytes], int], data: st.DataObject
) -> None:
    leaves, index = tree
    root, path = merkle.root_hash(leaves), merkle.inclusion_path(leaves, index)
    other = sha256(b"another").digest()
    place = data.draw(st.integers(0, len(path)))
    wrong = [*path[:place], other, *path[place + 1 :]]
    assert not merkle.is_included(leaves[index], index, len(leaves), wrong, root)
    assert not merkle.is_included(other, index, len(leaves), path, root)
    assert not merkle.is_included(leaves[index], index, len(leaves), [*path, other], root)


@given(_trees())
def test_a_beginning_is_consistent_with_what_follows(tree: tuple[list[bytes], int]) -> None:
    leaves, index = tree
    old_count = index + 1
    roots = (merkle.root_hash(leaves[:old_count]), merkle.root_hash(leaves))
    path = merkle.consistency_path(leaves, old_count)
    assert merkle.is_consistent((old_count, len(leaves)), roots, path)


@given(_trees())
def test_another_beginning_is_inconsistent(tree: tuple[list[bytes], int]) -> None:
    leaves, index = tree
    old_count = index + 1
    path = merkle.consistency_path(leaves, old_count)
    forged = (merkle.root_hash([merkle.leaf_hash(b"x"), *leaves[1:old_count]]),)
    new_root = merkle.root_hash(leaves)
    assert not merkle.is_consistent((old_count, len(leaves)), (*forged, new_root), path)


@pytest.mark.parametrize("counts", [(0, 1), (2, 1), (1, 2)])
def test_impossible_counts_and_empty_paths_prove_nothing(counts: tuple[int, int]) -> None:
    root = LEAVES[0]
    assert not merkle.is_consistent(counts, (root, root), [])


def test_a_tree_has_no_path_for_a_leaf_it_lacks() -> None:
    with pytest.raises(ValueError, match="no leaf 8"):
        merkle.inclusion_path(LEAVES, 8)


def test_a_tree_has_no_older_tree_larger_than_itself() -> None:
    with pytest.raises(ValueError, match="never had 9"):
        merkle.consistency_path(LEAVES, 9)
