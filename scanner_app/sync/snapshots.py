"""Fetching a snapshot: manifest believed, file downloaded, key unwrapped, installed.

One attempt a call; when to try again is not decided here.
"""

import logging
from collections.abc import Callable
from typing import Final

from scanner_app.gate.ports import SnapshotUnreadableError
from scanner_app.sync.client import ScannerClient
from scanner_app.sync.errors import Mistrust, ServerUntrusted
from scanner_app.sync.plan import wants_snapshot
from scanner_app.sync.ports import Identity, SnapshotShelf
from scanner_app.sync.trust import check_manifest
from shared.errors import ZeraketError
from shared.wire.signing import file_key_info
from shared.wire.snapshots import Manifest, SignedManifest

_LOGGER: Final = logging.getLogger(__name__)
DownloadProgress = Callable[[int, int], None]
"""Told the bytes that are there, and the bytes of the whole file."""


class SnapshotFetcher:
    """Brings the kiosk's shelf up to the server's snapshot; the last good one stays until then."""

    def __init__(
        self,
        client: ScannerClient,
        identity: Identity,
        shelf: SnapshotShelf,
    ) -> None:
        self._client = client
        self._enrolment = identity.enrolment
        self._keys = identity.keys
        self._shelf = shelf

    def fetch(self, on_progress: DownloadProgress = lambda _have, _whole: None) -> Manifest | None:
        """Install the server's snapshot if it is news, else give None.

        Raise SyncError, or SnapshotUnreadableError for a file that is whole and wrong: it is thrown
        away, so that the next attempt begins afresh.
        """
        signed = self._client.manifest()
        manifest = check_manifest(signed, self._enrolment, self._shelf.highest_version_seen())
        current = self._shelf.current()
        if not wants_snapshot(manifest.version, None if current is None else current.version):
            return None
        path = self._shelf.partial_path(manifest.sha256)
        self._client.download(manifest, path, lambda have: on_progress(have, manifest.size_bytes))
        file_key = self._file_key(signed, manifest)
        try:
            self._shelf.install(manifest, file_key)
        except SnapshotUnreadableError:
            path.unlink(missing_ok=True)
            raise
        _LOGGER.info("snapshot_install", extra={"version": manifest.version})
        return manifest

    def _file_key(self, signed: SignedManifest, manifest: Manifest) -> bytes:
        info = file_key_info(
            self._enrolment.deployment_id, self._enrolment.device_id, manifest.sha256
        )
        try:
            return self._keys.unseal(signed.wrapped_key, info)
        except ZeraketError as error:
            raise ServerUntrusted(Mistrust.FILE_KEY_UNUSABLE) from error
