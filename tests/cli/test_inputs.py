"""Which inputs are taken, and how they are fitted to the network."""

import numpy as np
import pytest

from verifier.api import load
from verifier.data import Choice, gather, select
from verifier.errors import InputError
from verifier.formats.datasets import sample
from verifier.formats.layout import layout


class TestLayout:
    @pytest.mark.parametrize(
        ("data", "model"),
        [
            ((1, 28, 28), (1, 1, 28, 28)),
            ((1, 28, 28), (1, 784, 1)),
            ((1, 28, 28), (28, 28)),
            ((784,), (1, 1, 28, 28)),
            ((3, 32, 32), (1, 3, 32, 32)),
            ((3, 32, 32), (1, 3072)),
            ((), (1, 1)),
        ],
    )
    def test_reshape(self, data, model):
        x = np.random.default_rng(0).random((4, *data), np.float32)
        fit = layout(data, model)
        assert fit.apply(x).shape == (4, *model)
        assert (fit.apply(x).reshape(4, -1) == x.reshape(4, -1)).all()
        assert (fit.undo(fit.apply(x)[2]) == x[2]).all()

    @pytest.mark.parametrize(
        ("data", "model", "axes"),
        [((3, 32, 32), (1, 32, 32, 3), (0, 2, 3, 1)), ((8, 9, 3), (1, 3, 8, 9), (0, 3, 1, 2))],
    )
    def test_channels_are_moved_and_told(self, data, model, axes):
        x = np.random.default_rng(0).random((4, *data), np.float32)
        fit = layout(data, model)
        assert (fit.apply(x)[:, None] if len(model) == 3 else fit.apply(x)).shape == (4, *model)
        assert (fit.apply(x)[:, 0] == x.transpose(axes)).all()
        assert (fit.undo(fit.apply(x)[1]) == x[1]).all()
        assert "channels" in fit.note

    @pytest.mark.parametrize(
        ("data", "model"),
        [((28, 28), (14, 56)), ((1, 28, 28), (1, 3, 32, 32)), ((32, 32, 5), (5, 32, 32)), ((3,), (4,))],
    )
    def test_refused(self, data, model):
        with pytest.raises(InputError, match="do not fit"):
            layout(data, model)


class TestSamples:
    @pytest.mark.parametrize(
        ("shape", "name"),
        [([1, 784], "mnist"), ([1, 3, 32, 32], "cifar10"), ([1, 32, 32, 3], "cifar10"), ([1, 64], "digits")],
    )
    def test_by_shape(self, network, shape, name):
        inputs = gather(load(network(shape, np.ones((10, np.prod(shape))))), Choice())
        assert name in inputs.source
        assert len(inputs) == 100
        assert (inputs.labels == sample(name).labels).all()

    def test_by_metadata(self, network):
        model = load(network([1, 3072], np.ones((10, 3072)), dataset="CIFAR-10", classes=",".join("abcdefghij")))
        inputs = gather(model, Choice())
        assert "cifar10" in inputs.source
        assert inputs.named(2) == "c"

    def test_unknown_data_set_is_not_replaced_by_one_that_fits(self, network):
        with pytest.raises(InputError, match="gtsrb"):
            gather(load(network([1, 3, 32, 32], np.ones((43, 3072)), dataset="gtsrb")), Choice())

    def test_no_sample_fits(self, network):
        with pytest.raises(InputError, match="--inputs"):
            gather(load(network([1, 5], np.ones((2, 5)))), Choice())

    def test_scaled_to_the_input_range(self, network):
        inputs = gather(load(network([1, 64], np.ones((10, 64)), input_range="-1 1")), Choice())
        assert inputs.range == (-1, 1)
        assert (inputs.images.min(), inputs.images.max()) == (-1, 1)
        assert any("scaled" in note for note in inputs.notes)

    @pytest.mark.parametrize("said", ["0", "1 0", "nan 1", "low high"])
    def test_bad_range(self, network, said):
        with pytest.raises(InputError, match="input_range"):
            gather(load(network([1, 64], np.ones((10, 64)), input_range=said)), Choice())

    def test_too_few_classes(self, network):
        with pytest.raises(InputError, match="labels"):
            gather(load(network([1, 64], np.ones((5, 64)))), Choice())
        with pytest.raises(InputError, match="no classes"):
            gather(load(network([1, 64], np.ones((1, 64)))), Choice())


class TestFiles:
    @pytest.fixture
    def model(self, network):
        return load(network([1, 1, 2, 3], np.ones((2, 6))))

    @pytest.mark.parametrize("shape", [(4, 6), (4, 2, 3), (4, 1, 2, 3), (2, 3), (6,), (1, 2, 3)])
    def test_shapes(self, model, array, shape):
        x = np.random.default_rng(0).random(shape)
        inputs = gather(model, Choice(str(array(x))))
        assert inputs.images.shape == (4 if shape[0] == 4 else 1, 1, 1, 2, 3)
        assert (inputs.images.ravel() == x.astype(np.float32).ravel()).all()

    def test_wrong_shape(self, model, array):
        with pytest.raises(InputError, match="do not fit"):
            gather(model, Choice(str(array(np.ones((4, 7))))))

    def test_values_outside_need_a_range(self, model, array):
        path = str(array(np.full((1, 6), 2.0)))
        with pytest.raises(InputError, match="--range"):
            gather(model, Choice(path, range=None))
        assert gather(model, Choice(path, range=(0, 3))).range == (0, 3)
        with pytest.raises(InputError, match="outside"):
            gather(model, Choice(path, range=(0, 1)))

    def test_labels(self, model, array, tmp_path):
        path = str(array(np.zeros((3, 6))))
        inputs = gather(model, Choice(path, str(array([0, 1, 1], "y.npy", np.int64))))
        assert inputs.labels.tolist() == [0, 1, 1]
        with pytest.raises(InputError, match="2 labels"):
            gather(model, Choice(path, str(array([0, 1], "z.npy", np.int64))))
        with pytest.raises(InputError, match="classes"):
            gather(model, Choice(path, str(array([0, 1, 2], "w.npy", np.int64))))

    def test_select(self, model, array):
        inputs = gather(model, Choice(str(array(np.zeros((5, 6))))))
        assert select(inputs, Choice(count=2, offset=1)).index.tolist() == [1, 2]
        assert select(inputs, Choice(count=9, offset=3)).index.tolist() == [3, 4]
        with pytest.raises(InputError, match="5 inputs"):
            select(inputs, Choice(offset=5))

    def test_directory_without_data(self, model, tmp_path):
        with pytest.raises(InputError, match="no data set"):
            gather(model, Choice(str(tmp_path)))
