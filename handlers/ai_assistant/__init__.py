"""The AI Assistant API: bare objects without an envelope, and the cookie. Its prefixes stand in `handlers/addressing.py`."""
