"""Who answers for which model: decided from the settings, in development and in production."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config import settings
from config.catalogue import load_catalogue
from hub.providers.registry import Providers

CATALOGUE = load_catalogue()
GPT_4, CLAUDE = CATALOGUE["gpt-4"], CATALOGUE["claude-3"]


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    secrets = {"HUB_JWT_SECRET": "0123456789abcdef" * 2, "HUB_SERVICE_TOKEN": "abcdef0123456789" * 2}
    return {"HUB_DATA_DIR": str(data_dir)} | secrets | more


def opened(tmp_path: Path, check: Callable[[Providers], None], **variables: str) -> None:
    async def main() -> None:
        providers = await Providers.open(settings.load(environment(tmp_path, **variables)))
        try:
            check(providers)
        finally:
            await providers.close()

    asyncio.run(main())


def test_who_answers_in_development(tmp_path: Path) -> None:
    def check(providers: Providers) -> None:
        assert not providers.is_sandbox(GPT_4) and providers.available(GPT_4)
        assert providers.is_sandbox(CLAUDE) and providers.available(CLAUDE)
        claude: Any = providers.for_model(CLAUDE)
        assert claude.name == "sandbox" and providers.for_model(CLAUDE) is claude
        minimax: Any = providers.for_model(CATALOGUE["minimax"])
        assert minimax.name == "minimax"

    opened(tmp_path, check, OPENAI_API_KEY="sk-test", MINIMAX_BASE_URL="http://localhost:11434/v1")


def test_who_answers_in_production(tmp_path: Path) -> None:
    def check(providers: Providers) -> None:
        assert not providers.available(GPT_4) and not providers.is_sandbox(GPT_4)
        assert providers.for_model(GPT_4) is None
        assert providers.available(CLAUDE)

    opened(tmp_path, check, HUB_ENV="production", ANTHROPIC_API_KEY="sk-ant-test")
