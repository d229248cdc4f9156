"""A solver with the standard's command line that behaves as a comment of the query asks: `; fake: hang`."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

BLOCK = 64 * 2**20


def main() -> None:
    assert sys.argv[1] == "verify", sys.argv
    assert sys.argv[sys.argv.index("--network") + 1].startswith("N="), sys.argv
    text = Path(sys.argv[2]).read_text(encoding="utf-8")
    match re.findall(r"; fake: (.*)", text):
        case ["crash"]:
            print("unsat", flush=True)  # an answer of a process that then fails is none
            sys.exit("out of ideas")
        case ["mute"]:
            print("thinking ...")
        case ["hang"]:  # with a child of its own session and one that lost its parent
            for flags in ("", "&"):
                subprocess.Popen(["sh", "-c", f"trap '' TERM HUP; setsid sleep 77 {flags}"], start_new_session=True)
            time.sleep(77)
        case ["hog"]:
            code = f"import time\nblocks = []\nwhile True: blocks.append(bytearray({BLOCK})); time.sleep(0.05)"
            subprocess.run([sys.executable, "-c", code], check=False)
        case ["slow"]:
            time.sleep(1.5)
            print("unsat")
        case ["count"]:
            with open(os.environ["FAKE_COUNT"], "a", encoding="utf-8") as file:
                file.write("x")
            print("unsat")
        case [answer]:
            print(answer.replace("|", "\n"))
        case other:
            raise ValueError(f"no behaviour: {other}")


if __name__ == "__main__":
    main()
