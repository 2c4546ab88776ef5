"""A virtual attendee: a wallet with a P-256 key of its own, and the phone it is shown on.

The key is made here and never leaves; what the wallet knows of the ticket comes from the server.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import segno
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from numpy.typing import NDArray

from hardware.ports import Image
from hardware.simulators.phone_screen import Background, Scene, render_background, render_phone
from shared.credentials.holding import HeldTicket, show_code
from shared.credentials.layout import HolderAlgorithm, SyncAge, counter_at


class WalletKey:
    """A P-256 key that signs as WebCrypto does: raw r‖s.

    Always alike for the same message, as a wallet draws one code and keeps it until the next.
    """

    def __init__(self) -> None:
        self._private_key = ec.generate_private_key(ec.SECP256R1())

    @property
    def algorithm(self) -> HolderAlgorithm:
        return HolderAlgorithm.P256

    @property
    def public_key(self) -> bytes:
        """The compressed point."""
        return self._private_key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
        )

    def sign(self, message: bytes) -> bytes:
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        signature = self._private_key.sign(message, algorithm)
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True)
class Wallet:
    """A ticket on a phone. `clock_error_ms` is how far the phone's clock is ahead of the world."""

    key: WalletKey
    ticket: HeldTicket
    ticket_id: str
    sync_age: SyncAge = SyncAge.UNDER_ONE_HOUR
    clock_error_ms: int = 0

    def code_at(self, now_ms: int) -> str:
        """Give the text that the phone shows at this moment of the world's time."""
        counter = counter_at(now_ms + self.clock_error_ms)
        return show_code(self.ticket, self.key, counter, self.sync_age)

    def with_slow_clock(self, behind_ms: int) -> "Wallet":
        """The same phone, never synced, with its clock behind."""
        return replace(self, sync_age=SyncAge.UNKNOWN, clock_error_ms=-behind_ms)


def qr_modules(text: str) -> NDArray[np.bool_]:
    """Draw a code's text as QR modules in alphanumeric mode, as a wallet does."""
    symbol = segno.make(text, error="l", mode="alphanumeric", boost_error=False, micro=False)
    return np.array([[bool(module) for module in row] for row in symbol.matrix], dtype=np.bool_)


@dataclass
class HandHeldView:
    """What the gate's camera sees: a phone in an unsteady hand, or nobody."""

    generator: np.random.Generator
    frame: int = field(default=0)

    def nobody(self) -> Image:
        return render_background(Scene(background=Background.TEXTURE), self.generator)

    def phone(self, text: str, *, dark_mode: bool = False) -> Image:
        """Render one frame; hand and light change from frame to frame."""
        self.frame += 1
        draw = self.generator.uniform
        glare = draw(0.0, 0.8) if self.frame % 4 == 0 else 0.0
        scene = Scene(
            code_side_pixels=int(draw(300, 400)),
            centre=(draw(0.42, 0.58), draw(0.44, 0.56)),
            roll_degrees=draw(-12, 12),
            pitch_degrees=draw(-18, 18),
            yaw_degrees=draw(-18, 18),
            blur_sigma_pixels=draw(0.5, 1.3),
            motion_pixels=int(draw(0, 4)),
            glare=glare,
            dark_mode=dark_mode,
            background=Background.TEXTURE,
        )
        return render_phone(qr_modules(text), scene, self.generator)
