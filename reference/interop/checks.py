"""Checks that print one line each, for the scripts beside this file. Needs nothing but Python 3.10."""

import contextlib
import importlib.metadata
import sys


class Skip(Exception):
    """Why a check can't be made here."""


class Checks:
    """Counts what is ok, what FAILED and what was skipped."""

    def __init__(self, *packages):
        self.ok = self.failed = self.skipped = 0
        if packages:
            print("# " + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages), flush=True)

    @contextlib.contextmanager
    def that(self, what):
        """A check: whatever is raised inside fails it, but Skip. What is put into the list that it gives stands behind it."""
        notes = []
        try:
            yield notes
        except Skip as why:
            self.skipped += 1
            self._say("skipped", f"{what}: {why}")
        except Exception as error:  # a check that can't be made is one that failed
            self.failed += 1
            text = " ".join(str(error).split())[:400]
            self._say("FAILED", f"{what}: {type(error).__name__}: {text}")
        else:
            self.ok += 1
            self._say("ok", f"{what} ({'; '.join(notes)})" if notes else what)

    def end(self):
        """Says how many, and ends the program: 1 when one failed, or none was made."""
        print(f"# {self.ok} ok, {self.failed} FAILED, {self.skipped} skipped", flush=True)
        sys.exit(1 if self.failed or not self.ok else 0)

    @staticmethod
    def _say(verdict, what):
        print(f"{verdict:<8} {what}", flush=True)


def equal(found, expected, what=""):
    """Raises unless they are."""
    if found != expected:
        raise AssertionError(f"{what}{' ' if what else ''}expected {expected!r}, found {found!r}")


def holds(condition, what):
    """Raises unless it does. Unlike assert it stands under python -O as well."""
    if not condition:
        raise AssertionError(str(what))


@contextlib.contextmanager
def refused(kind, *words):
    """What is done inside is refused with such an error, whose text has these words."""
    try:
        yield
    except kind as error:
        for word in words:
            holds(word in str(error), f"{word!r} in: {error}")
        return
    raise AssertionError(f"{kind.__name__} expected, and nothing was refused")
