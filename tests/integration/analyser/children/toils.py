"""Takes two seconds of a processor before it answers."""

import sys
import time

if __name__ == "__main__":
    while time.process_time() < 2:
        pass
    sys.stdout.write('{"results":{"endpoints":[]}}')
