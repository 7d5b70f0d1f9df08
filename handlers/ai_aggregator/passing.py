"""The base of those inputs whose unknown fields are the provider's matter."""

from typing import Any, Final

from marshmallow import INCLUDE, Schema, ValidationError, validates_schema

# What a caller may not slip in beside the fields that pass through.
_REFUSED: Final = frozenset(
    {"role", "is_admin", "credits", "balance", "user_id", "_id", "email_verified", "plan", "tier", "cost"}
)


class PassingInput(Schema):
    """Unknown fields pass through to the provider, save those that would mean something to us."""

    class Meta:
        unknown = INCLUDE

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _no_foreign_fields(self, data: Any, original: Any, **kwargs: Any) -> None:
        if isinstance(original, dict) and (refused := original.keys() & _REFUSED):
            raise ValidationError({name: ["unknown field"] for name in sorted(refused)})
