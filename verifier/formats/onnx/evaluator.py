"""The same file in ONNX Runtime: the independent engine that has the last word on a witness."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from onnx import ModelProto

from verifier.errors import InvalidModel
from verifier.formats.onnx.inputs import Feed, split

OLD_IR = 10  # what ONNX Runtime reads since 1.18
ROWS = 8  # how many rows of the first batch are run singly as well, before batches are trusted


@dataclass(frozen=True)
class Session:
    """A model that is ready to run, and the engine's name."""

    label: str
    run: Callable[[Sequence[str], dict[str, np.ndarray]], list[np.ndarray]]


def session(model: ModelProto, threads: int, deployed: bool = False) -> Session:
    """ONNX Runtime, or the reference of the onnx package for models that ONNX Runtime does not know yet.

    `deployed` takes ONNX Runtime's own settings, as whoever deploys the file does.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.use_deterministic_compute = True
    if not deployed:
        # Beyond the basic level, a quantised weight makes ONNX Runtime round activations to 8 bits (measured: 2 %).
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.add_session_config_entry("session.disable_quant_qdq", "1")

    def create(data: bytes) -> Session:
        made = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return Session(f"onnxruntime {ort.__version__}", lambda names, feeds: list(made.run(names, feeds)))

    try:
        return create(model.SerializeToString())
    except Exception as error:
        why = error
    try:
        return create(_older(model).SerializeToString())
    except Exception:
        return _reference(model, why)


def _older(model: ModelProto) -> ModelProto:
    """The same graph under an older version of the container format, which a new onnx package no longer writes."""
    copy = ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = min(model.ir_version, OLD_IR)
    return copy


def _reference(model: ModelProto, why: Exception) -> Session:
    import onnx
    from onnx.reference import ReferenceEvaluator

    from verifier.formats.onnx.wide import batch_normalization

    try:
        made = ReferenceEvaluator(model, new_ops=[batch_normalization()])
        return Session(f"onnx.reference {onnx.__version__}", lambda names, feeds: list(made.run(list(names), feeds)))
    except Exception as error:
        raise InvalidModel(
            f"no other engine runs the model: ONNX Runtime says {why}; onnx.reference {error}"
        ) from error


class OrtEvaluator:
    """Runs the (pruned, self-contained) model on the CPU. Nothing is created before the first call.

    One input is always run alone, so replaying a witness is exactly what a deployed network computes. Several are run
    in one call only where the file leaves its leading axis open and the first batch came out as its rows alone do.
    `group` is the size of a fixed leading axis that was found to be a batch axis. Several `outputs` are joined flat.
    """

    def __init__(
        self,
        model: ModelProto,
        feeds: Sequence[Feed],
        outputs: Sequence[str],
        group: int | None = None,
        threads: int = 2,
    ) -> None:
        self._model, self._feeds, self._outputs = model, tuple(feeds), list(outputs)
        self._group, self._threads = group, threads
        self._batches: bool | None = None if self._open_batch() else False

    @property
    def name(self) -> str:
        return str(self._session.label)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        if self._group is not None:
            return self._grouped(x, self._group)
        if len(x) < 2 or self._batches is False:
            return self._singly(x)
        if self._batches is None:
            alone = self._singly(x[:ROWS])
            self._batches = self._agree(x[:ROWS], alone)
            if not self._batches:
                return np.concatenate([alone, self._singly(x[ROWS:])]) if len(x) > ROWS else alone
        return self._together(x)

    def taken(self, x: np.ndarray) -> np.ndarray:
        """Rounded to the element types of the file's inputs; infinite where those end earlier."""
        with np.errstate(over="ignore"):
            rows = [np.concatenate([part.ravel() for part in split(row, self._feeds).values()]) for row in x]
        return np.asarray(rows, dtype=np.float32).reshape(x.shape)

    def arrays(self, x: np.ndarray) -> list[np.ndarray] | None:
        """One input `x (*in)` as arrays that the file takes, in its order; None where it takes several in a batch."""
        return None if self._group is not None else list(split(x, self._feeds).values())

    def trace(self, x: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Values `(*shape)` of inner tensors for one input `x (*in)`; names that the file lacks are left out."""
        known = {name for node in self._model.graph.node for name in node.output}
        wanted = [name for name in names if name in known]
        model = ModelProto()
        model.CopyFrom(self._model)
        del model.graph.output[:]
        for name in wanted:
            model.graph.output.add().name = name
        if not wanted:
            return {}
        return dict(zip(wanted, session(model, self._threads).run(wanted, split(x, self._feeds)), strict=True))

    def double(self, x: np.ndarray) -> np.ndarray:
        """`(B, *in)` to `(B, *out)` in float64, by the reference implementation; slow, raises where it can't."""
        from verifier.formats.onnx.wide import WideReference

        reference = WideReference(self._model)
        order = [info.name for info in self._model.graph.output]
        rows = (reference(split(row, self._feeds)) for row in np.asarray(x, dtype=np.float64))
        return np.stack([self._joined([outs[order.index(name)] for name in self._outputs]) for outs in rows])

    @cached_property
    def _session(self) -> "Session":
        return session(self._model, self._threads)

    def _run(self, feeds: dict[str, np.ndarray], rows: int = 0) -> np.ndarray:
        return self._joined(self._session.run(self._outputs, feeds), rows)

    @staticmethod
    def _joined(outputs: Sequence[np.ndarray], rows: int = 0) -> np.ndarray:
        """The only output as it is; several flat one behind the other, with `rows` so for each row."""
        if len(outputs) == 1:
            return np.asarray(outputs[0])
        shape = (rows, -1) if rows else (-1,)
        return np.concatenate([np.asarray(out).reshape(shape) for out in outputs], axis=-1)

    def _singly(self, x: np.ndarray) -> np.ndarray:
        rows = [self._run(split(row, self._feeds)) for row in x]
        return np.stack(rows).astype(np.float32) if rows else np.zeros((0,), np.float32)

    def _together(self, x: np.ndarray) -> np.ndarray:
        (feed,) = self._feeds
        out = self._run({feed.name: feed.array(x.reshape(len(x), *feed.shape[1:]))}, len(x))
        if len(self._outputs) > 1:
            return out.astype(np.float32)
        return out.reshape(len(x), 1, *out.shape[1:]).astype(np.float32)

    def _grouped(self, x: np.ndarray, group: int) -> np.ndarray:
        (feed,) = self._feeds
        parts = []
        for first in range(0, len(x), group):
            rows = x[first : first + group].reshape(-1, *feed.shape[1:])
            full = np.concatenate([rows, np.repeat(rows[-1:], group - len(rows), axis=0)])
            out = self._run({feed.name: feed.array(full)})
            if out.shape[:1] != (group,):
                raise InvalidModel(f"the output of shape {out.shape} does not lead with the batch size {group}")
            parts.append(out[: len(rows)])
        rows = np.concatenate(parts)
        return rows.reshape(len(x), 1, *rows.shape[1:]).astype(np.float32)

    def _open_batch(self) -> bool:
        if len(self._feeds) != 1 or not self._feeds[0].shape or self._feeds[0].shape[0] != 1:
            return False
        return 0 in self._feeds[0].open_axes

    def _agree(self, x: np.ndarray, alone: np.ndarray) -> bool:
        try:
            together = self._together(x)
        except Exception:  # the file's declared axis is open, but its nodes fix the size
            return False
        scale = np.abs(alone).max() if alone.size else 0.0
        return together.shape == alone.shape and bool(np.allclose(together, alone, rtol=1e-5, atol=1e-6 * scale))
