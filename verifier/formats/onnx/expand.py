"""Operators that ONNX itself defines by simpler ones (attention, rotary embedding, ...): their definition is used."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import onnx.defs
from onnx import AttributeProto, FunctionProto, NodeProto, TypeProto

from verifier.formats.onnx.call import Call
from verifier.formats.onnx.structure import subgraphs
from verifier.formats.onnx.values import Const, Value, Wire


def definition(call: Call) -> FunctionProto | None:
    """What the operator is made of for these inputs, with its attributes filled in; None where ONNX has no words."""
    schema = _schema(call.node.op_type, call.node.domain, call.opset)
    if schema is None:
        return None
    body = FunctionProto()
    if schema.has_function:
        body.CopyFrom(schema.function_body)
    elif schema.has_context_dependent_function:
        types = [_type(value) for value in call.inputs]
        text = schema.get_context_dependent_function(call.node.SerializeToString(), types)
        body.ParseFromString(text)
    else:
        return None
    given = {a.name: a for a in call.node.attribute}
    given |= {n: a.default_value for n, a in schema.attributes.items() if n not in given and a.default_value.type}
    for node in body.node:
        _fill(node, given)
    return body


@cache
def _schema(op_type: str, domain: str, opset: int) -> Any:
    try:
        return onnx.defs.get_schema(op_type, opset, domain)
    except Exception:  # the package raises its own SchemaError for an unknown operator
        return None


def _type(value: Value | None) -> bytes:
    kind = TypeProto()
    if isinstance(value, Const | Wire):
        kind.tensor_type.elem_type = value.type
        kind.tensor_type.shape.SetInParent()
        for n in value.shape:
            kind.tensor_type.shape.dim.add().dim_value = n
    return kind.SerializeToString()


def _fill(node: NodeProto, given: Mapping[str, AttributeProto]) -> None:
    """Replace references to the operator's attributes; one that is not stated is left out."""
    kept = []
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            kept.append(attribute)
        elif attribute.ref_attr_name in given:
            filled = AttributeProto()
            filled.CopyFrom(given[attribute.ref_attr_name])
            filled.name = attribute.name
            kept.append(filled)
    copies = [AttributeProto.FromString(a.SerializeToString()) for a in kept]
    del node.attribute[:]
    node.attribute.extend(copies)
    for graph in subgraphs(node):
        for inner in graph.node:
            _fill(inner, given)
