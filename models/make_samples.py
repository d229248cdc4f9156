"""Make the samples in `verifier/samples/` again: 100 labelled test images of each data set, as they were published.

    python models/make_samples.py --mnist DIR --cifar10 DIR        (and scikit-learn installed, for the digits)

Each .npz holds uint8 `images` (100, C, H, W), uint8 `labels`, the `classes`, and the `largest` pixel value.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from verifier.formats.datasets import load_directory

COUNT = 100


def write(name: str, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], largest: int) -> None:
    path = Path(__file__).parents[1] / "verifier" / "samples" / f"{name}.npz"
    np.savez_compressed(
        path, images=images.astype(np.uint8), labels=labels.astype(np.uint8), classes=classes, largest=largest
    )
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--cifar10", type=Path, required=True)
    arguments = parser.parse_args()
    for directory in (arguments.mnist, arguments.cifar10):
        data = load_directory(directory, "test")
        write(data.name, np.rint(data.images[:COUNT] * 255), data.labels[:COUNT], data.classes, 255)

    from sklearn.datasets import load_digits  # only here: neither the package nor its tests need it

    digits = load_digits()
    classes = tuple(str(name) for name in digits.target_names)
    write("digits", digits.images[-COUNT:, None], digits.target[-COUNT:], classes, 16)


if __name__ == "__main__":
    main()
