"""The bounds of what the AI Assistant's users have: conversations, projects, gifts, and analysed documents.

As `config/limits.py` has all others: a name, a unit, and why it is what it is.
"""

from typing import Final
