"""The store as sync uses it: connections of its own, behind the protocols that sync declares."""

from scanner_app.store.changes import StoredChanges
from scanner_app.store.device_keys import StoredDeviceKeys
from scanner_app.store.files import StoreFiles
from scanner_app.store.outbox import StoredOutbox
from scanner_app.store.records import StoredEnrolment, StoredRevocation, StoredTime
from scanner_app.store.shelf import StoredShelf


class SyncSide:
    """The only writer of the replica; sync's threads share it and take turns."""

    def __init__(self, files: StoreFiles) -> None:
        self._replica = files.open_replica()
        self._journal = files.read_journal()
        self.shelf = StoredShelf(files.snapshots_folder, self._replica)
        self.enrolment = StoredEnrolment(self._replica, self.shelf.discard_files)
        self.revocations = StoredRevocation(self._replica)
        self.times = StoredTime(self._replica)
        self.changes = StoredChanges(self._replica)
        self.outbox = StoredOutbox(self._journal, self._replica)
        self.keys = StoredDeviceKeys(self._replica)

    def close(self) -> None:
        self._journal.close()
        self._replica.close()
