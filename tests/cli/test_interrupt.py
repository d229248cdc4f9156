"""Signals wait for a record that is being written, and end what comes after it."""

import os
import signal
from contextlib import nullcontext

import pytest

from verifier.cli.interrupt import Interrupts, Stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
class TestInterrupts:
    def test_at_once(self, number):
        with pytest.raises(Stopped) as stop:
            self.work(number, [])
        assert stop.value.signal == number

    def test_held(self, number):
        written = []
        with pytest.raises(Stopped):
            self.work(number, written, hold=True)
        assert written == ["whole"]

    @staticmethod
    def work(number, written, hold=False):
        with Interrupts() as interrupts:
            try:
                with interrupts.hold() if hold else nullcontext():
                    os.kill(os.getpid(), number)
                    written.append("whole")
                written.append("more")
            except Exception:  # must not see it
                written.append("swallowed")

    def test_restored(self, number):
        before = signal.getsignal(number)
        with Interrupts():
            assert signal.getsignal(number) != before
        assert signal.getsignal(number) == before
