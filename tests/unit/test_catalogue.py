"""The catalogue and the plans: what the documents name is there, and what is wrong stops the start."""

from pathlib import Path

import pytest

from config.catalogue import CatalogueError, load_catalogue
from config.plans import Limit, PlansError, load_plans

ROW = {
    "id": '"m"',
    "name": '"M"',
    "provider": '"openai"',
    "upstream": '"m"',
    "description": '"d"',
    "input_price": '"0.00003"',
    "output_price": '"0.00006"',
    "context_tokens": "8192",
    "output_tokens_max": "4096",
    "capabilities": '["text"]',
}


def write(tmp_path: Path, **changes: str) -> Path:
    lines = [f"{field} = {value}" for field, value in (ROW | changes).items() if value]
    path = tmp_path / "models.toml"
    path.write_text("[[models]]\n" + "\n".join(lines) + "\n")
    return path


def test_the_documents_models_have_the_documents_numbers() -> None:
    catalogue = load_catalogue()
    assert {"gpt-4", "gpt-3.5-turbo", "claude-3", "minimax"} <= set(catalogue)
    gpt_4 = catalogue["gpt-4"]
    assert (gpt_4.input_price, gpt_4.output_price) == (30_000_000, 60_000_000)
    assert (gpt_4.context_tokens, gpt_4.output_tokens_max) == (8192, 4096)
    assert {"text", "chat", "code", "analysis"} <= set(gpt_4.capabilities)
    assert catalogue["gpt-3.5-turbo"].input_price == 20_000_000
    assert (catalogue["claude-3"].input_price, catalogue["claude-3"].context_tokens) == (15_000_000, 200_000)
    assert (catalogue["minimax"].input_price, catalogue["minimax"].output_tokens_max) == (2_000_000, 4096)
    assert catalogue["claude-3"].provider_label == "Anthropic"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input_price", '"0"'),
        ("input_price", '"-0.1"'),
        ("output_price", '"0.0000000000001"'),
        ("output_price", '"NaN"'),
        ("output_price", '"Infinity"'),
        ("output_price", '"1e400"'),
        ("output_price", '"1.5"'),
        ("output_price", "0.00006"),
        ("output_price", ""),
        ("provider", '"acme"'),
        ("context_tokens", "0"),
        ("context_tokens", "true"),
        ("output_tokens_max", "9000"),
        ("capabilities", "[]"),
        ("vocabulary", '"latin"'),
        ("upstream", '"a b"'),
        ("colour", '"red"'),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(CatalogueError, match=rf"^m: {field}: "):
        load_catalogue(write(tmp_path, **{field: value}))


def test_twins_emptiness_and_bad_toml_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert load_catalogue(path)["m"].vocabulary is None
    path.write_text(path.read_text() * 2)
    with pytest.raises(CatalogueError, match="m: id: stands twice"):
        load_catalogue(path)
    for text in ("", "[[models"):
        path.write_text(text)
        with pytest.raises(CatalogueError):
            load_catalogue(path)


@pytest.mark.parametrize(
    ("api", "limit_class", "tier", "by_key", "limits"),
    [
        ("smart_ai_hub", "auth", "free", False, [(10, 60)]),
        ("smart_ai_hub", "general", "enterprise", True, [(100, 60)]),
        ("smart_ai_hub", "mcp", "pro", False, [(60, 60)]),
        ("smart_ai_hub", "admin", "free", False, [(200, 60)]),
        ("ai_aggregator", "general", "basic", False, [(100, 60)]),
        ("ai_aggregator", "general", "free", True, [(1000, 60)]),
        ("ai_aggregator", "general", "pro", True, [(5000, 60)]),
        ("ai_aggregator", "general", "business", False, [(5000, 60)]),
        ("ai_playground", "ai", "free", False, [(10, 60)]),
        ("ai_playground", "general", "basic", False, [(30, 60)]),
        ("ai_playground", "general", "pro", False, [(100, 60)]),
        ("ai_playground", "general", "business", True, [(500, 60)]),
        ("ai_assistant", "general", "basic", False, [(10, 60), (60, 3600)]),
        ("ai_assistant", "general", "pro", False, [(60, 60), (600, 3600)]),
        ("ai_assistant", "general", "business", False, [(600, 60), (6000, 3600)]),
    ],
)
def test_limits(api: str, limit_class: str, tier: str, by_key: bool, limits: list[tuple[int, int]]) -> None:
    assert load_plans().limits_for(api, limit_class, tier, by_key) == tuple(Limit(*limit) for limit in limits)


def test_a_misspelt_class_is_no_free_ride() -> None:
    with pytest.raises(KeyError):
        load_plans().limits_for("smart_ai_hub", "atuh", "free", False)


def test_quotas() -> None:
    plans = load_plans()
    assert [plans.quota("free", period) for period in ("daily", "weekly", "monthly")] == [50, 350, 1500]
    assert plans.quota("pro", "daily") == 2000
    assert plans.quota("business", "daily") is None


@pytest.mark.parametrize(
    "text",
    [
        'tiers = ["free"]',
        'tiers = ["free", "pro"]\n[[limits]]\napi = "a"\nclass = "general"\ntiers = ["free"]\nper_minute = 1',
        'tiers = ["free"]\n' + 2 * '[[limits]]\napi = "a"\nclass = "general"\nper_minute = 1\n',
        'tiers = ["free"]\n[[limits]]\napi = "a"\nclass = "general"\nper_minute = 0',
        'tiers = ["free"]\n[[limits]]\napi = "a"\nclass = "general"\nper_day = 1',
        'tiers = ["free"]\n[quotas]\ngold = 1\n[[limits]]\napi = "a"\nclass = "general"\nper_minute = 1',
    ],
)
def test_wrong_plans_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plans.toml"
    path.write_text(text)
    with pytest.raises(PlansError):
        load_plans(path)


EMBEDS = {"capabilities": '["embeddings"]', "dimensions": "1536", "output_price": "", "output_tokens_max": ""}


def test_a_model_that_makes_embeddings_writes_nothing(tmp_path: Path) -> None:
    model = load_catalogue(write(tmp_path, **EMBEDS))["m"]
    assert (model.embeds, model.dimensions, model.output_price, model.output_tokens_max) == (True, 1536, 0, 0)
    assert not load_catalogue(write(tmp_path))["m"].embeds


def test_openais_embeddings_have_openais_numbers() -> None:
    small, large = (load_catalogue()[f"text-embedding-3-{size}"] for size in ("small", "large"))
    assert (small.input_price, small.dimensions, small.context_tokens) == (20_000, 1_536, 8_192)
    assert (large.input_price, large.dimensions, large.vocabulary) == (130_000, 3_072, "cl100k_base")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("dimensions", {**EMBEDS, "dimensions": ""}),
        ("dimensions", {**EMBEDS, "dimensions": "0"}),
        ("dimensions", {"dimensions": "1536"}),
        ("output_price", {**EMBEDS, "output_price": '"0.00001"'}),
        ("output_tokens_max", {**EMBEDS, "output_tokens_max": "5"}),
        ("capabilities", {**EMBEDS, "capabilities": '["embeddings", "chat"]'}),
        ("capabilities", {**EMBEDS, "provider": '"anthropic"'}),
        ("capabilities", {**EMBEDS, "provider": '"minimax"'}),
        ("capabilities", {**EMBEDS, "routes": '[{provider = "anthropic", upstream = "x"}]'}),
        ("input_price", {**EMBEDS, "input_price": '"0"'}),
    ],
)
def test_a_wrong_model_of_embeddings_stops_the_start(tmp_path: Path, field: str, changes: dict[str, str]) -> None:
    with pytest.raises(CatalogueError, match=field):
        load_catalogue(write(tmp_path, **changes))
