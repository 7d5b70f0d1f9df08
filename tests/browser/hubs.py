"""How the hubs behind the page are set: all have an administrator; most answer at once, and some take their time."""

from typing import Final

import pytest

from tests.running_hub import PASSWORD

ADMIN: Final = {"HUB_ADMIN_EMAIL": "admin@example.org", "HUB_ADMIN_PASSWORD": PASSWORD}
AT_ONCE: Final = {"HUB_SANDBOX_TOKENS_PER_SECOND": "2000", **ADMIN}
SLOW: Final = {"HUB_SANDBOX_TOKENS_PER_SECOND": "100", **ADMIN}
AT_LENGTH: Final = {"HUB_SANDBOX_TOKENS_PER_SECOND": "40", **ADMIN}
# A whole answer takes four seconds, and ten: time to go and come back while it is written.
slowly = pytest.mark.parametrize("hub", [SLOW], indirect=True, ids=["slowly"])
at_length = pytest.mark.parametrize("hub", [AT_LENGTH], indirect=True, ids=["at_length"])
