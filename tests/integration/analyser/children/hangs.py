"""Never ends, and starts another that does not either."""

import os
import time

if __name__ == "__main__":
    os.fork()
    time.sleep(1_000)
