"""What the validation library found, in words, with the line and column it was found at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sealock.pipeline.problem import SHOWN_PROBLEMS, Problem, near_match, shown
from sealock.pipeline.refuse import KIND
from sealock.pipeline.tree import Node

# What people who come from other systems write, where no spelling is near enough to be recognized.
_OTHER_WORDS = {
    "before_script": "setup",
    "env": "environment",
    "install": "setup",
    "resources": "machine",
    "script": "test",
    "steps": "test",
    "timeout": "timeouts",
    "variables": "environment",
    "clone": "checkout",
    "ram": "memory",
}


class _Place(NamedTuple):
    """path: the keys that lead there. node: what stands there; None if nothing does."""

    line: int
    column: int
    path: tuple[str, ...]
    node: Node | None


class _Found(NamedTuple):
    """One error at its place. model: the class whose fields were checked."""

    error: ErrorDetails
    place: _Place
    model: type[BaseModel]

    @property
    def limits(self) -> Mapping[str, object]:
        return self.error.get("ctx", {})


def told(error: ValidationError, root: Node, model: type[BaseModel]) -> list[Problem]:
    """Every error as a problem. root: the tree that was checked against `model`."""
    found = [
        _Found(detail, _place(root, detail), model)
        for detail in error.errors(include_url=False, include_input=False)
    ]
    found.sort(key=lambda each: (*each.place[:2], each.error["type"] == "missing"))
    # Looking for near names takes time; nobody reads past the first few.
    return [_problem(each) for each in found[: SHOWN_PROBLEMS + 1]] + [
        Problem(*each.place[:2], "a further mistake") for each in found[SHOWN_PROBLEMS + 1 :]
    ]


def _problem(found: _Found) -> Problem:
    words = _WORDS.get(found.error["type"], _other)
    message, resolution = words(found)
    path = shown(".".join(found.place.path))
    return Problem(*found.place[:2], f"{path}: {message}" if path else message, resolution)


def _place(root: Node, error: ErrorDetails) -> _Place:
    """Walk the tree along the error's path, over the parts that the model put in between."""
    parts = list(error["loc"])
    if at := error.get("ctx", {}).get("at"):
        parts.append(at)
    node, place = root, _Place(root.line, root.column, (), root)
    for part in parts:
        if part == "[key]":
            return place._replace(node=None)
        if isinstance(part, int) and node.items is not None and part < len(node.items):
            node = node.items[part]
            place = _Place(node.line, node.column, place.path, node)
        elif isinstance(part, str) and node.entries is not None and part in node.entries:
            key, node = node.entries[part]
            place = _Place(key.line, key.column, (*place.path, part), node)
    return _final(place, error)


def _final(place: _Place, error: ErrorDetails) -> _Place:
    """A wrong value is shown where it stands; a wrong or missing key, or a value that is not there, by
    its key."""
    node = place.node
    if error["type"] == "missing":
        return _Place(place.line, place.column, (*place.path, str(error["loc"][-1])), None)
    if node is None or error["type"] == "extra_forbidden" or (_is_nothing(node) and not node.text):
        return place
    return place._replace(line=node.line, column=node.column)


def _is_nothing(node: Node) -> bool:
    return node.items is None and node.entries is None and node.scalar is None


def _seen(node: Node | None) -> str:
    """What stands there, as the end of a sentence."""
    if node is None or (_is_nothing(node) and not node.text):
        return "nothing stands here"
    if node.entries is not None:
        return "this is a mapping"
    if node.items is not None:
        return "this is a list"
    kind = {bool: "a boolean", str: "text", type(None): "nothing"}.get(type(node.scalar), "a number")
    return f"`{shown(node.text)}` is {kind}"


def _stands(node: Node | None) -> str:
    """The same where the kind of value is right and its content is not."""
    return f"`{shown(node.text)}` stands here" if node and node.text else _seen(node)


def _ours(found: _Found) -> tuple[str, str]:
    limits = found.limits
    node = found.place.node
    seen = _stands(node) if node and isinstance(node.scalar, str) else _seen(node)
    end = f", but {seen}" if limits["seen"] else ""
    return f"{limits['message']}{end}", str(limits["resolution"])


def _unknown(found: _Found) -> tuple[str, str]:
    *parents, name = found.place.path
    fields = _fields(found.model, parents)
    other = _OTHER_WORDS.get(name.lower())
    near = f"; did you mean `{other}`?" if other in fields else near_match(name, fields)
    return f"unknown field{near}", f"The fields here are {', '.join(fields)}."


def _fields(kind: object, path: Sequence[str]) -> list[str]:
    """The names of the fields that may stand below a path."""
    if get_origin(kind) is Annotated:
        return _fields(get_args(kind)[0], path)
    if get_origin(kind) is dict:
        return _fields(get_args(kind)[1], path[1:])
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return []
    if not path:
        return list(kind.model_fields)
    return _fields(kind.model_fields[path[0]].annotation, path[1:])


def _missing(found: _Found) -> tuple[str, str]:
    name = found.place.path[-1]
    return "this field is missing", f"Add `{name}:`; the reference shows what belongs in it."


def _not_text(found: _Found) -> tuple[str, str]:
    node = found.place.node
    message = f"this must be text, but {_seen(node)}"
    if node is None or _is_nothing(node):
        return message, 'Write "" for empty text, or remove the line.'
    if node.entries is not None:
        return message, "Put text that contains `: ` in quotes, or write it below `- |`."
    if node.items is not None:
        return message, "Put the text in quotes if the brackets belong to it."
    return message, f'Quote it: "{shown(node.text)}".'


def _must_be(what: str, resolution: str = "") -> Callable[[_Found], tuple[str, str]]:
    return lambda found: (f"this must be {what}, but {_seen(found.place.node)}", resolution)


def _out_of_range(found: _Found) -> tuple[str, str]:
    least, most = found.limits.get("ge"), found.limits.get("le")
    limit = f"at least {least}" if most is None else f"at most {most}"
    return f"this must be {limit}, but {_stands(found.place.node)}", ""


def _choice(found: _Found) -> tuple[str, str]:
    expected = str(found.limits["expected"]).replace("'", "")
    node = found.place.node
    near = near_match(node.text, expected.replace(" or ", ", ").split(", ")) if node else ""
    return f"this must be {expected}, but {_stands(node)}{near}", ""


def _other(found: _Found) -> tuple[str, str]:
    return shown(found.error["msg"]), ""


_WORDS: Mapping[str, Callable[[_Found], tuple[str, str]]] = {
    KIND: _ours,
    "extra_forbidden": _unknown,
    "missing": _missing,
    "string_type": _not_text,
    "int_type": _must_be("a whole number"),
    "bool_type": _must_be("true or false"),
    "dict_type": _must_be("a mapping", "Write its fields below it, each as `name: value`, indented."),
    "model_type": _must_be("a mapping", "Write its fields below it, each as `name: value`, indented."),
    "greater_than_equal": _out_of_range,
    "less_than_equal": _out_of_range,
    "enum": _choice,
}
