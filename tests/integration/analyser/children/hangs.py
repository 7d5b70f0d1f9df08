"""Never ends, and starts another that does not either."""

import os
import signal

if __name__ == "__main__":
    os.fork()
    signal.pause()
