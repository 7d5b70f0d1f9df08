"""Answers, and not as it should."""

import sys

if __name__ == "__main__":
    sys.stdout.buffer.write(b'{"error": "none"}')
