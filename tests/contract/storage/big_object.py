"""A program of its own that stores a big object, reads it back, and says by how many bytes its
memory grew meanwhile.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from sync_server.kit.s3 import S3Place, S3Storage
from sync_server.kit.storage import FolderStorage, ObjectKey, ObjectStorage, hash_of
from tests.factories.objects import FOLDER
from tests.plugins.s3 import CREDENTIALS

BIG_BYTES = 96 << 20


def opened(kind: str, *place: str) -> ObjectStorage:
    if kind == "folder":
        return FolderStorage(Path(place[0]))
    return S3Storage(S3Place(*place), CREDENTIALS)


def peak_bytes() -> int:
    """The most memory this program ever held; getrusage would count its parent's as well."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kibibytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, flags=re.MULTILINE)
    return int(kibibytes) * 1024


async def main(arguments: list[str]) -> None:
    storage = opened(*arguments)
    with tempfile.TemporaryFile() as content:
        content.truncate(BIG_BYTES)
        key = ObjectKey(FOLDER, hash_of(content))
        before = peak_bytes()
        await storage.put(key, content)
    read = 0
    async for piece in (await storage.open(key)).pieces:
        read += len(piece)
    sys.stdout.write(f"{read} {peak_bytes() - before}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
