"""The business: identity, ledger, chat, providers, realtime. Plain data in, plain data out; no HTTP here."""
