"""The rails that this server offers, as the composition root opened them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync_server.kit.services import Services
from sync_server.payments.errors import ProviderNotOfferedError
from sync_server.payments.ports import Collector, Disburser
from sync_server.payments.providers.bank.intake import BankIntake
from sync_server.payments.rules import Provider


@dataclass(frozen=True, slots=True)
class PaymentRails:
    """Collectors and disbursers by provider, and a bank's files; what is not configured is not
    there.
    """

    collectors: Mapping[Provider, Collector] = field(default_factory=dict)
    disbursers: Mapping[Provider, Disburser] = field(default_factory=dict)
    intake: BankIntake | None = None

    def collector(self, provider: Provider) -> Collector:
        """Give a rail, else raise ProviderNotOfferedError."""
        found = self.collectors.get(provider)
        if found is None:
            raise ProviderNotOfferedError
        return found

    @property
    def offered(self) -> tuple[Provider, ...]:
        """The ways to pay, in the order they are shown."""
        return tuple(provider for provider in Provider if provider in self.collectors)


def rails_of(services: Services) -> PaymentRails:
    """Give what the composition root opened; where it opened none, none is offered."""
    found = services.parts.get(PaymentRails)
    return found if isinstance(found, PaymentRails) else PaymentRails()
