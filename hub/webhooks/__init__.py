"""Webhooks: what happened, sent to the addresses that asked to hear of it, in order and at least once."""
