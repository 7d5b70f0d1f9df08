"""The beginning of a child process: it takes its own limits, and only then becomes the module that it is to be.

    python -m hub.analyser.limited FILE_BYTES MODULE ARGUMENT...

Nothing untrusted is read before: the document waits on standard input. What goes on beyond the limits the kernel ends.
"""

import os
import resource
import runpy
import signal
import sys
from types import TracebackType

from config import assistant

_SECONDS = assistant.ANALYSIS_CHILD_SECONDS_MAX
_LIMITS = {
    resource.RLIMIT_AS: assistant.ANALYSIS_CHILD_BYTES_MAX,
    resource.RLIMIT_CPU: _SECONDS,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: assistant.ANALYSIS_CHILD_FILES_MAX,
}
_GRACE = {
    resource.RLIMIT_CPU: 1
}  # at the soft limit a signal comes that tells why; at the hard one SIGKILL, as of anybody


def take_limits(file_bytes: int) -> None:
    """For the rest of this process's life; lower ones that it has already stay."""
    for name, most in {**_LIMITS, resource.RLIMIT_FSIZE: file_bytes}.items():
        _, hard = resource.getrlimit(name)
        soft, last = (_within(most + grace, hard) for grace in (0, _GRACE.get(name, 0)))
        resource.setrlimit(name, (soft, last))
    os.nice(assistant.ANALYSIS_CHILD_NICE)
    signal.alarm(assistant.ANALYSIS_CHILD_CLOCK_SECONDS_MAX + 10)  # unless the hub was ended, it has ended this by then


def _within(bound: int, hard: int) -> int:
    return bound if hard == resource.RLIM_INFINITY else min(bound, hard)


def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Of what nobody caught only the kind and the place: its words may be the document's, and logs are kept long."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    sys.stderr.write(f"fault: {kind.__name__}{place}\n")


if __name__ == "__main__":
    sys.excepthook = tell
    file_bytes, module = sys.argv[1:3]
    take_limits(int(file_bytes))
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
