"""One thread a process: tests run side by side on small tensors, and threads that wait for a core spin."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, here and in processes that tests start

from laws import pretended

pretended.register()
