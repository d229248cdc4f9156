"""The readers of data sets, images and labels: what they read, and that they refuse the rest in words."""

import gzip
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from verifier.errors import InputError
from verifier.formats.datasets import load_directory, sample, sample_for_shape
from verifier.formats.images import read_images, read_labels

PUBLISHED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(directory: Path, pixels: np.ndarray, labels: np.ndarray, split: str = "t10k", end: str = "") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for stem, array in (("images-idx3", pixels), ("labels-idx1", labels)):
        data = idx(array)
        (directory / f"{split}-{stem}-ubyte{end}").write_bytes(gzip.compress(data) if end else data)


@pytest.fixture
def mnist(rng):
    return rng.integers(0, 256, (7, 28, 28), dtype=np.uint8), rng.integers(0, 10, 7, dtype=np.uint8)


class TestMnist:
    @pytest.mark.parametrize("end", ["", ".gz"])
    @pytest.mark.parametrize("folder", [".", "MNIST/raw"])
    def test_round_trip(self, tmp_path, mnist, end, folder):
        write_mnist(tmp_path / folder, *mnist, end=end)
        data = load_directory(tmp_path)
        assert (data.name, len(data), data.classes) == ("mnist", 7, tuple("0123456789"))
        assert data.images.shape == (7, 1, 28, 28)
        assert data.images.dtype == np.float32
        assert data.labels.dtype == np.int64
        np.testing.assert_array_equal(np.rint(data.images[:, 0] * 255), mnist[0])
        np.testing.assert_array_equal(data.labels, mnist[1])

    def test_extremes_are_exactly_zero_and_one(self, tmp_path):
        write_mnist(tmp_path, np.array([[[0, 255]]], np.uint8), np.array([3], np.uint8))
        assert load_directory(tmp_path).images.ravel().tolist() == [0.0, 1.0]

    def test_splits_are_kept_apart(self, tmp_path, mnist):
        write_mnist(tmp_path, *mnist)
        write_mnist(tmp_path, mnist[0][:2], mnist[1][:2], split="train")
        assert len(load_directory(tmp_path, "train")) == 2
        assert len(load_directory(tmp_path, "test")) == 7

    @pytest.mark.parametrize("kept", [0, 3, 10, 16, 400])
    @pytest.mark.parametrize("end", ["", ".gz"])
    def test_truncated(self, tmp_path, mnist, kept, end):
        write_mnist(tmp_path, *mnist, end=end)
        path = tmp_path / f"t10k-images-idx3-ubyte{end}"
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(InputError, match="t10k-images"):
            load_directory(tmp_path)

    def test_too_long(self, tmp_path, mnist):
        write_mnist(tmp_path, *mnist)
        with (tmp_path / "t10k-images-idx3-ubyte").open("ab") as stream:
            stream.write(b"\0")
        with pytest.raises(InputError, match="holds more"):
            load_directory(tmp_path)

    @pytest.mark.parametrize("start", [b"\x1f\x8b\x08\x00", b"\0\0\x0d\x03", b"\0\0\x08\x01"])
    def test_wrong_magic(self, tmp_path, mnist, start):
        write_mnist(tmp_path, *mnist)
        path = tmp_path / "t10k-images-idx3-ubyte"
        path.write_bytes(start + path.read_bytes()[4:])
        with pytest.raises(InputError, match="expected 00 00 08 03"):
            load_directory(tmp_path)

    @pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (2**31, 1, 1), (0, 28, 28)])
    def test_header_lies_about_the_size(self, tmp_path, mnist, shape):
        write_mnist(tmp_path, *mnist)
        (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", *shape))
        with pytest.raises(InputError, match="says it has shape"):
            load_directory(tmp_path)

    def test_damaged_gzip(self, tmp_path, mnist):
        write_mnist(tmp_path, *mnist, end=".gz")
        path = tmp_path / "t10k-images-idx3-ubyte.gz"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(InputError, match="can't be read"):
            load_directory(tmp_path)

    def test_counts_differ(self, tmp_path, mnist):
        write_mnist(tmp_path, mnist[0], mnist[1][:-1])
        with pytest.raises(InputError, match=r"7 images .* 6 labels"):
            load_directory(tmp_path)

    def test_label_outside_the_classes(self, tmp_path, mnist):
        write_mnist(tmp_path, mnist[0], np.full(7, 10, np.uint8))
        with pytest.raises(InputError, match="label 10"):
            load_directory(tmp_path)

    def test_labels_missing(self, tmp_path, mnist):
        write_mnist(tmp_path, *mnist)
        (tmp_path / "t10k-labels-idx1-ubyte").unlink()
        with pytest.raises(InputError, match="labels-idx1"):
            load_directory(tmp_path)


class TestCifar10:
    def write(self, directory: Path, name: str, records: np.ndarray) -> None:
        directory.mkdir(exist_ok=True)
        (directory / name).write_bytes(records.tobytes())

    @pytest.fixture
    def records(self, rng):
        records = rng.integers(0, 256, (10, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        return records

    @pytest.mark.parametrize("folder", [".", "cifar-10-batches-bin"])
    def test_round_trip(self, tmp_path, records, folder):
        self.write(tmp_path / folder, "test_batch.bin", records)
        data = load_directory(tmp_path)
        assert (data.name, data.classes[0], data.classes[9]) == ("cifar10", "airplane", "truck")
        assert data.images.shape == (10, 3, 32, 32)
        np.testing.assert_array_equal(np.rint(data.images[4, 1, 2] * 255), records[4, 1 + 1024 + 64 : 1 + 1024 + 96])
        np.testing.assert_array_equal(data.labels, records[:, 0])

    def test_training_batches_in_order(self, tmp_path, records):
        for k in range(5):
            self.write(tmp_path, f"data_batch_{k + 1}.bin", records[2 * k : 2 * k + 2])
        np.testing.assert_array_equal(load_directory(tmp_path, "train").labels, records[:, 0])

    def test_training_batch_missing(self, tmp_path, records):
        self.write(tmp_path, "data_batch_1.bin", records)
        with pytest.raises(InputError, match="data_batch_2"):
            load_directory(tmp_path, "train")

    @pytest.mark.parametrize("kept", [0, 1, 3072, 3074])
    def test_truncated(self, tmp_path, records, kept):
        (tmp_path / "test_batch.bin").write_bytes(records.tobytes()[:kept])
        with pytest.raises(InputError, match=r"test_batch\.bin .* 3,073"):
            load_directory(tmp_path)

    def test_label_outside_the_classes(self, tmp_path, records):
        records[3, 0] = 77
        self.write(tmp_path, "test_batch.bin", records)
        with pytest.raises(InputError, match="label 77"):
            load_directory(tmp_path)

    def test_pickled_version_is_refused(self, tmp_path):
        (tmp_path / "cifar-10-batches-py").mkdir()
        (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
        with pytest.raises(InputError, match="binary version"):
            load_directory(tmp_path)


class TestDirectory:
    def test_empty(self, tmp_path):
        with pytest.raises(InputError, match=r"t10k-images.*test_batch\.bin"):
            load_directory(tmp_path)

    def test_not_a_directory(self, tmp_path):
        with pytest.raises(InputError, match="not a directory"):
            load_directory(tmp_path / "absent")

    def test_unknown_split(self, tmp_path):
        with pytest.raises(InputError, match="'train' and 'test'"):
            load_directory(tmp_path, "valid")


class TestSamples:
    @pytest.mark.parametrize(
        ("name", "shape"), [("mnist", (1, 28, 28)), ("cifar10", (3, 32, 32)), ("digits", (1, 8, 8))]
    )
    def test_content(self, name, shape):
        data = sample(name)
        assert data.name == name
        assert data.images.shape == (100, *shape)
        assert (data.images.dtype, data.labels.dtype) == (np.float32, np.int64)
        assert data.images.min() == 0.0
        assert data.images.max() == 1.0
        assert set(data.labels) == set(range(10))
        assert len(data.classes) == 10

    def test_digits_are_sixteenths(self):
        scaled = sample("digits").images * 16
        np.testing.assert_array_equal(scaled, np.rint(scaled))

    def test_unknown_name(self):
        with pytest.raises(InputError, match="cifar10, digits, mnist"):
            sample("../mnist")

    @pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published MNIST files are not here")
    def test_mnist_is_the_start_of_the_published_test_set(self):
        published, shipped = load_directory(PUBLISHED / "mnist"), sample("mnist")
        np.testing.assert_array_equal(published.images[:100], shipped.images)
        np.testing.assert_array_equal(published.labels[:100], shipped.labels)

    @pytest.mark.parametrize(
        ("shape", "name"),
        [
            ((784,), "mnist"),
            ((1, 1, 28, 28), "mnist"),
            ((28, 28, 1), "mnist"),
            ((1, 784, 1), "mnist"),
            ((1, 3, 32, 32), "cifar10"),
            ((3072,), "cifar10"),
            ((64,), "digits"),
            ((1, 8, 8), "digits"),
        ],
    )
    def test_for_shape(self, shape, name):
        data = sample_for_shape(shape)
        assert data.name == name
        assert data.images[0].size == np.prod(shape)

    @pytest.mark.parametrize("shape", [(), (1,), (5,), (32, 32, 3), (2, 392), (1, 10, 784)])
    def test_no_sample_for_shape(self, shape):
        assert sample_for_shape(shape) is None


class TestImages:
    def test_floats_are_taken_as_they_are(self, tmp_path):
        values = np.array([[-3.5, 300.0]])
        np.save(tmp_path / "a.npy", values)
        read = read_images(tmp_path / "a.npy")
        assert read.values.dtype == np.float32
        assert read.labels is None
        np.testing.assert_array_equal(read.values, values)

    def test_uint8_is_scaled(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([[0, 51, 255]], np.uint8))
        assert read_images(tmp_path / "a.npy").values.tolist() == [[0.0, np.float32(0.2), 1.0]]

    def test_one_axis_is_one_input(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros(784, np.float32))
        assert read_images(tmp_path / "a.npy").values.shape == (1, 784)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
    def test_not_finite(self, tmp_path, bad):
        np.save(tmp_path / "a.npy", np.array([[0.0, bad]]))
        with pytest.raises(InputError, match="NaN or infinite"):
            read_images(tmp_path / "a.npy")

    @pytest.mark.parametrize("dtype", [np.int64, bool, np.complex64, "U3"])
    def test_other_dtypes(self, tmp_path, dtype):
        np.save(tmp_path / "a.npy", np.zeros((1, 4), dtype))
        with pytest.raises(InputError, match="expected uint8"):
            read_images(tmp_path / "a.npy")

    @pytest.mark.parametrize("shape", [(), (0, 4), (3, 0)])
    def test_no_input(self, tmp_path, shape):
        np.save(tmp_path / "a.npy", np.zeros(shape))
        with pytest.raises(InputError, match="at least one"):
            read_images(tmp_path / "a.npy")

    @pytest.mark.parametrize("images", ["x", "images", "inputs", "anything"])
    @pytest.mark.parametrize("labels", ["y", "labels", None])
    def test_npz(self, tmp_path, images, labels):
        arrays = {images: np.ones((2, 3), np.uint8)} | ({labels: np.array([4, 5])} if labels else {})
        np.savez(tmp_path / "a.npz", **arrays)
        read = read_images(tmp_path / "a.npz")
        assert read.values.shape == (2, 3)
        assert (read.labels.tolist() if labels else read.labels) == ([4, 5] if labels else None)

    @pytest.mark.parametrize("arrays", [{"a": 1, "b": 2}, {"x": 1, "images": 2}, {"y": 1}, {}])
    def test_npz_without_one_array_of_inputs(self, tmp_path, arrays):
        np.savez(tmp_path / "a.npz", **{key: np.ones((1, value)) for key, value in arrays.items()})
        with pytest.raises(InputError, match="exactly one"):
            read_images(tmp_path / "a.npz")

    def test_npz_counts_differ(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=np.ones((2, 3)), y=np.array([1]))
        with pytest.raises(InputError, match="2 inputs but 1 labels"):
            read_images(tmp_path / "a.npz")

    def test_npz_bomb(self, tmp_path):
        """An archive that claims to unpack to 5 GiB is refused before anything is unpacked."""
        with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
            for name in ("x.npy", "y.npy"):
                archive.writestr(name, b"")
            for member in archive.filelist:
                member.file_size = 5 * 2**29
        with pytest.raises(InputError, match="unpacks to"):
            read_images(tmp_path / "b.npz")

    @pytest.mark.parametrize("end", ["npy", "npz"])
    def test_pickled_objects_are_refused(self, tmp_path, end):
        array = np.array([{"a": 1}], dtype=object)
        path = tmp_path / f"a.{end}"
        np.save(path, array, allow_pickle=True) if end == "npy" else np.savez(path, x=array)
        with pytest.raises(InputError, match="never read"):
            read_images(path)

    @pytest.mark.parametrize("end", ["npy", "npz", "png"])
    @pytest.mark.parametrize("data", [b"", b"garbage", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n"])
    def test_garbage(self, tmp_path, end, data):
        path = tmp_path / f"a.{end}"
        path.write_bytes(data)
        with pytest.raises(InputError, match=f"a.{end}"):
            read_images(path)

    def test_npy_header_lies_about_the_size(self, tmp_path):
        stream = io.BytesIO()
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**50, 784)}
        np.lib.format.write_array_header_1_0(stream, header)
        (tmp_path / "a.npy").write_bytes(stream.getvalue())
        with pytest.raises(InputError, match="can't be read"):
            read_images(tmp_path / "a.npy")

    def test_unknown_ending_and_missing_file(self, tmp_path):
        with pytest.raises(InputError, match="known ending"):
            read_images(tmp_path / "a.gif")
        with pytest.raises(InputError, match="can't be read"):
            read_images(tmp_path / "absent.npy")


class TestPng:
    def save(self, path: Path, array: np.ndarray, mode: str | None = None) -> Path:
        image = pytest.importorskip("PIL.Image").fromarray(array)
        (image.convert(mode) if mode else image).save(path)
        return path

    def test_grey(self, tmp_path, rng):
        pixels = rng.integers(0, 256, (5, 6), dtype=np.uint8)
        read = read_images(self.save(tmp_path / "a.png", pixels)).values
        assert read.shape == (1, 1, 5, 6)
        np.testing.assert_array_equal(read[0, 0], pixels / np.float32(255))

    def test_colour(self, tmp_path, rng):
        pixels = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        read = read_images(self.save(tmp_path / "a.PNG", pixels)).values
        assert read.shape == (1, 3, 5, 6)
        np.testing.assert_array_equal(read[0, 2], pixels[:, :, 2] / np.float32(255))

    def test_black_and_white(self, tmp_path):
        read = read_images(self.save(tmp_path / "a.png", np.array([[0, 255]], np.uint8), "1")).values
        assert read.tolist() == [[[[0.0, 1.0]]]]

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16"])
    def test_alpha_and_sixteen_bits_are_refused(self, tmp_path, mode):
        array = np.zeros((4, 4), np.uint16) if mode == "I;16" else np.zeros((4, 4, 3), np.uint8)
        path = self.save(tmp_path / "a.png", array, None if mode == "I;16" else mode)
        with pytest.raises(InputError, match="8-bit"):
            read_images(path)

    def test_truncated(self, tmp_path, rng):
        path = self.save(tmp_path / "a.png", rng.integers(0, 256, (50, 50), dtype=np.uint8))
        path.write_bytes(path.read_bytes()[:400])
        with pytest.raises(InputError, match="can't be read as PNG"):
            read_images(path)


class TestLabels:
    @pytest.mark.parametrize("text", ["1 2 3", "1,2,3\n", "1\n2\n3\n", "1, 2,\n3"])
    def test_text(self, tmp_path, text):
        (tmp_path / "y.txt").write_text(text)
        labels = read_labels(tmp_path / "y.txt")
        assert (labels.tolist(), labels.dtype) == ([1, 2, 3], np.int64)

    @pytest.mark.parametrize("text", ["", "1 two", "1.5", "-1", "9" * 30, "\ud800".encode("utf-8", "surrogatepass")])
    def test_bad_text(self, tmp_path, text):
        (tmp_path / "y.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(InputError, match=r"y\.txt"):
            read_labels(tmp_path / "y.txt")

    def test_npy(self, tmp_path):
        np.save(tmp_path / "y.npy", np.array([7, 2], np.uint8))
        assert read_labels(tmp_path / "y.npy").tolist() == [7, 2]

    @pytest.mark.parametrize("array", [np.array([0.0]), np.array([[1]]), np.array([-1]), np.array([2**64 - 1])])
    def test_bad_npy(self, tmp_path, array):
        np.save(tmp_path / "y.npy", array)
        with pytest.raises(InputError, match=r"y\.npy"):
            read_labels(tmp_path / "y.npy")

    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match="can't be read"):
            read_labels(tmp_path / "y.txt")
