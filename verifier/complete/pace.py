"""How many subproblems a round takes: as many as still make it more than proportionally fast, and few enough to hear of
the time."""

import time

SHORT, LONG = 0.5, 3.0  # seconds of a round
GAIN = 1.25  # times as many a second, for twice as many a round, are worth it


class Pace:
    """Starts with `size` and stays within `most`."""

    def __init__(self, size: int, most: int) -> None:
        self.size, self.most = min(size, most), most
        self.rates: dict[int, float] = {}

    def after(self, count: int, seconds: float) -> None:
        """Learn from a round of `count` subproblems."""
        rate = count / max(seconds, 1e-6)
        self.rates[self.size] = rate
        if count < self.size:  # there were no more, and more would be no faster than twice this rate
            self.size = max(1, min(self.size, int(2 * LONG * rate)))
            return
        if seconds < SHORT or (seconds < LONG and rate > GAIN * self.rates.get(self.size // 2, 0.0)):
            self.size = min(2 * self.size, self.most)
        elif seconds > LONG and rate < GAIN * self.rates.get(self.size // 2, rate):
            self.size = max(self.size // 2, 1)


class Cooldown:
    """For what may take a tenth of the time: after each turn it rests nine times as long, and before the first `first`
    seconds."""

    def __init__(self, first: float = 0.0) -> None:
        self.until = time.monotonic() + first

    def over(self) -> bool:
        return time.monotonic() >= self.until

    def after(self, start: float) -> None:
        """The turn began at `start`, and is over."""
        now = time.monotonic()
        self.until = now + 9 * (now - start)


class Turns:
    """When a search is interrupted, and for how long: first after `first` seconds if it is ripe, else after `last`. A
    turn may take `seconds`, the next one twice as many. In between the search goes on for as long as a turn took."""

    def __init__(self, first: float, last: float, seconds: float) -> None:
        now = time.monotonic()
        self.first, self.last, self.seconds = now + first, now + last, seconds

    def due(self, ripe: bool) -> bool:
        now = time.monotonic()
        return now >= self.last or (ripe and now >= self.first)

    def after(self, start: float) -> None:
        """The turn began at `start`, and is over."""
        now = time.monotonic()
        self.first = self.last = now + (now - start)
        self.seconds *= 2
