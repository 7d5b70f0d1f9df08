"""Takes more memory than it gets."""

if __name__ == "__main__":
    kept = bytearray(600 << 20)
