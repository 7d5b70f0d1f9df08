"""What a user's credits have beside being spent: checkout pages, auto-recharge, and gifts."""
