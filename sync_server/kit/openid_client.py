"""What a provider of sign-ins knows this server as; the operator's settings say it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OpenidClient:
    """One provider: `provider` stands in paths and rows, `name` is shown to people."""

    provider: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
