"""How far a test of seeded faults goes: a little in `make test`, as far as one would want in `make test-faults`.

Such a test carries `pytest.mark.faults`. `HUB_SEED` replays one seed in either.
"""

import os
from typing import Final

LONG: Final = os.environ.get("HUB_FAULTS") == "long"


def length(short: int, long: int) -> int:
    """A number of seeds, rounds or clients."""
    return long if LONG else short
