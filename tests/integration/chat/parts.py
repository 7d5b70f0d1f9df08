"""A hub whose OpenAI is a stand-in, and what the tests of chat look at afterwards."""

from dataclasses import dataclass

from hub.audit import audit
from hub.identity import Identity
from hub.services import Services
from hub.streams import Outcome, Stream
from models import wallets
from models.conversations import message_of_stream
from models.database import Document
from tests.stand_ins.openai_server import OpenAIStandIn


@dataclass
class Scene:
    """Services, their provider and one user."""

    services: Services
    provider: OpenAIStandIn
    user: Identity

    async def finished(self, stream: Stream) -> Outcome:
        """Wait for the end of a stream."""
        while stream.outcome is None:
            await stream.reached(stream.offset + 1)
        return stream.outcome

    async def message(self, stream: Stream) -> Document:
        found = await message_of_stream(self.services.database, stream.id)
        assert found is not None
        return found

    async def entries(self) -> list[Document]:
        found, _ = await wallets.entries(self.services.database, self.user.user_id, "credit", skip=0, limit=100)
        return found

    async def assert_sound(self) -> None:
        """Every wallet equals its entries, nothing is held."""
        assert [difference async for difference in audit(self.services.database)] == []
        assert await wallets.holds_open(self.services.database) == 0
        wallet = await self.services.ledger.wallet(self.user.user_id)
        assert wallet.credits_held == 0
        assert wallet.credits >= 0


def words(count: int) -> str:
    return " word" * count
