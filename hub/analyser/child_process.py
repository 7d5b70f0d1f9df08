"""A child process that does one thing with untrusted bytes: they go in by its standard input, and its answer comes out.

    bytes --> limited.py (memory, processor, files) --> MODULE --> at most so many bytes
                 +-- killed after `ANALYSIS_CHILD_CLOCK_SECONDS_MAX` by the clock, with all of its session

It has a session of its own and none of the hub's environment variables. It is the hub's user all the same: it could read
what that may read, and leave its session; that it does neither rests on what runs in it. However it ends, the hub goes on.
Files it may write in a folder of its own, where it may at all; the folder goes with it, or is swept.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Final

import structlog

from config import assistant

log = structlog.get_logger(__name__)

_ROOT: Final = Path(__file__).parents[2]
_ENVIRONMENT: Final = {"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "random"}
_READ_BYTES: Final = 1 << 18
_EMPTY_SECONDS: Final = 1.0
FAULT: Final = re.compile(rb"^fault: ([\w.]{1,100})(?: at ([\w./<>-]{1,300}:\d{1,7}))?$", re.MULTILINE)  # limited.py's
_NO_MEMORY: Final = (b"MemoryError", b"memory allocation of")  # as Python says it, and what is written in Rust


class ChildFailed(Exception):
    """There is no answer; the message says why, for whoever gave the document."""


class ChildInterrupted(ChildFailed):
    """It was ended from outside, which may be the machine's fault as well as the document's: it may be tried again."""


class Children:
    """One per process. The folders of its children lie in `folder`, which other processes may use too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, module: str, *arguments: str, given: bytes, answer_bytes_max: int) -> bytes:
        """What the module writes, having no files. Raises `ChildFailed`."""
        return await _run(["0", module, *arguments], _ENVIRONMENT, given, answer_bytes_max)

    async def run_with_files(self, module: str, *arguments: str, given: bytes, answer_bytes_max: int) -> bytes:
        """The same of one that writes temporary files. Raises `ChildFailed`."""
        command = [str(assistant.ANALYSIS_CHILD_FILE_BYTES_MAX), module, *arguments]
        folder = await asyncio.to_thread(self._new_folder)
        try:
            return await _run(command, {**_ENVIRONMENT, "TMPDIR": folder}, given, answer_bytes_max)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _new_folder(self) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        return tempfile.mkdtemp(dir=self._folder)

    async def sweep(self) -> None:
        """Remove the folders that a killed hub left."""
        await asyncio.to_thread(self._remove_old)

    def _remove_old(self) -> None:
        oldest = time.time() - 2 * assistant.ANALYSIS_CHILD_CLOCK_SECONDS_MAX
        for folder in self._folder.glob("*"):
            with contextlib.suppress(FileNotFoundError):  # its child's process, or another's sweep, was faster
                if folder.stat(follow_symlinks=False).st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)


async def _run(command: list[str], environment: dict[str, str], given: bytes, answer_bytes_max: int) -> bytes:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub.analyser.limited", *command),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=_ROOT,
        env=environment,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(assistant.ANALYSIS_CHILD_CLOCK_SECONDS_MAX):
            answer, said = await _spoken(child, given, answer_bytes_max)
            await child.wait()
    except TimeoutError:
        seconds = assistant.ANALYSIS_CHILD_CLOCK_SECONDS_MAX
        raise ChildInterrupted(f"This document was not analysed within {seconds:g} seconds") from None
    finally:
        await _end(child)
    if len(answer) > answer_bytes_max:
        raise ChildFailed(f"What comes of this document is larger than {answer_bytes_max >> 20} MiB")
    return _checked(child, answer, said, command)


async def _spoken(child: Process, given: bytes, answer_bytes_max: int) -> tuple[bytes, bytes]:
    """What it writes to its standard output, and the end of what it writes to its standard error."""
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    answer, said, _ = await asyncio.gather(
        _read(child, child.stdout, answer_bytes_max), _last_of(child.stderr), _write(child.stdin, given)
    )
    return answer, said


async def _write(pipe: asyncio.StreamWriter, given: bytes) -> None:
    try:
        pipe.write(given)
        await pipe.drain()
        pipe.close()
        await pipe.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has ended, or needs no more; its answer tells


async def _read(child: Process, pipe: asyncio.StreamReader, bytes_max: int) -> bytes:
    """All of it; of what is too much the beginning, and then the child is ended."""
    kept = bytearray()
    while piece := await pipe.read(_READ_BYTES):
        if len(kept) <= bytes_max:
            kept += piece
        if len(kept) > bytes_max:
            _kill(child)
    return bytes(kept)


async def _last_of(pipe: asyncio.StreamReader) -> bytes:
    last = b""
    while piece := await pipe.read(_READ_BYTES):
        last = (last + piece)[-assistant.ANALYSIS_CHILD_TEXT_BYTES_MAX :]
    return last


async def _end(child: Process) -> None:
    """Nothing of it is left behind, however it came to its end."""
    _kill(child)
    await child.wait()
    await _emptied(child)


def _kill(child: Process) -> None:
    """With all of its session, as long as it is not reaped: its number may be another's after that."""
    if child.returncode is None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended just now


async def _emptied(child: Process) -> None:
    """Read what it has still written: a pipe that is not read to its end is never closed."""
    assert child.stdout is not None and child.stderr is not None
    try:
        async with asyncio.timeout(_EMPTY_SECONDS):
            for pipe in (child.stdout, child.stderr):
                while await pipe.read(_READ_BYTES):
                    pass
    except TimeoutError:
        log.error("somebody else has a dead child's pipes")


def _checked(child: Process, answer: bytes, said: bytes, command: list[str]) -> bytes:
    """Its answer, where it ended well. Raises `ChildFailed`."""
    ended = child.returncode
    if ended == 0 and answer:
        return answer
    if ended == -signal.SIGXCPU:
        raise ChildFailed(f"This document takes longer than {assistant.ANALYSIS_CHILD_SECONDS_MAX} seconds to analyse")
    if any(words in said for words in _NO_MEMORY):
        raise ChildFailed(f"This document needs more than {assistant.ANALYSIS_CHILD_BYTES_MAX >> 20} MiB of memory")
    if ended == -signal.SIGKILL:  # not by us: the system ends what is largest when it has no memory left
        raise ChildInterrupted("The system ended the analysis of this document, most likely for want of memory")
    faults = FAULT.findall(said)
    log.error(
        "a child process failed",
        command=command,
        ended=ended,
        fault=[part.decode() for part in faults[-1]] if faults else None,
    )
    raise ChildFailed("This document could not be analysed")
