"""What the issuer makes: self-contained credentials and static codes.

The signing key is borrowed, never kept.
"""

from typing import Protocol

from shared.credentials.keys import EventKeySet, HolderKey
from shared.credentials.layout import Core, Form, Header, Payload
from shared.credentials.messages import issuer_message


class IssuerSigner(Protocol):
    """An Ed25519 private key, or whatever guards it."""

    def sign(self, data: bytes) -> bytes:
        """Sign with Ed25519 (RFC 8032)."""
        ...


def issue_credential(
    key_set: EventKeySet, issuer: IssuerSigner, core: Core, holder: HolderKey
) -> bytes:
    """Make the ciphertext C that a wallet shows in E codes."""
    header = Header(Form.ROTATING_SELF_CONTAINED, key_set.key_set_id, holder.algorithm)
    signature = issuer.sign(issuer_message(key_set.event_id, header, core, holder.encoded))
    return key_set.seal_credential(header, core.to_bytes() + holder.encoded + signature)


def issue_static_code(key_set: EventKeySet, issuer: IssuerSigner, core: Core) -> str:
    """Make the text of an S code for print."""
    header = Header(Form.STATIC, key_set.key_set_id)
    signature = issuer.sign(issuer_message(key_set.event_id, header, core, b""))
    return Payload(header, key_set.seal_credential(header, core.to_bytes() + signature)).to_text()
