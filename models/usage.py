"""Usage rows: one per settled completion, for statistics: `{_id: stream, user, model, provider, api, prompt_tokens,
completion_tokens, charged, usage_source, duration_ms, first_token_ms, status, created_at}`, `charged` in micro-credits."""

from models.database import CollectionShape, Index

USAGE = "usage"
SHAPES = (CollectionShape(USAGE, indexes=(Index([("user", 1), ("created_at", -1)]), Index([("created_at", -1)]))),)
