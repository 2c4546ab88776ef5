"""Refusals of the snapshots domain."""

from sync_server.kit.problems import NotFoundError


class SnapshotNotFoundError(NotFoundError):
    code = "snapshot_not_found"
    title = "This deployment has no such snapshot; fetch the manifest again"
