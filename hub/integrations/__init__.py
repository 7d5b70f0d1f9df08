"""Integrations: what users let the hub do for them at other companies."""
