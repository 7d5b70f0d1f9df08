"""The beginning of a child process: it takes its own limits, and only then becomes the module that it is to be.

    python -m hub.analyser.limited FILE_BYTES MODULE ARGUMENT...

Nothing untrusted is read before: the document waits on standard input. What goes on beyond the limits the kernel ends.
"""

import os
import resource
import runpy
import signal
import sys

from config import assistant

_SECONDS = assistant.ANALYSIS_CHILD_SECONDS_MAX
_LIMITS = {
    resource.RLIMIT_AS: assistant.ANALYSIS_CHILD_BYTES_MAX,
    resource.RLIMIT_CPU: _SECONDS,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: assistant.ANALYSIS_CHILD_FILES_MAX,
}


def take_limits(file_bytes: int) -> None:
    """For the rest of this process's life; lower ones that it has already stay."""
    for name, most in {**_LIMITS, resource.RLIMIT_FSIZE: file_bytes}.items():
        _, hard = resource.getrlimit(name)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(name, (bound, bound))
    os.nice(assistant.ANALYSIS_CHILD_NICE)
    signal.alarm(2 * _SECONDS)  # the hub ends it long before; unless the hub itself was ended


if __name__ == "__main__":
    file_bytes, module = sys.argv[1:3]
    take_limits(int(file_bytes))
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
