"""Text to values that know where they stand.

Built from the parser's events and not by its constructor, for three reasons: every key and every value
keeps its line and column; size, depth and aliases are counted before anything is made of them; and no
tag, merge key or date can turn text into something else. Mistakes are collected as far as the text can
still be understood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from sealock.pipeline import syntax
from sealock.pipeline.problem import Problem, shown
from sealock.pipeline.scalar import Scalar, resolve

MAXIMUM_DEPTH = 32
MAXIMUM_ALIASES = 64
# An alias counts as everything it stands for, and text as one more for each hundred characters: the
# size of what comes out is bounded, whatever the aliases are put to.
MAXIMUM_VALUES = 10_000


class Entry(NamedTuple):
    """A key and its value in a mapping."""

    key: Node
    value: Node


@dataclass(slots=True)
class Node:
    """A value and its position, from 1. One of `entries` (a mapping), `items` (a list) or `scalar`.

    text: a scalar as it was written. size, height: how many values and levels it stands for.
    """

    line: int
    column: int
    scalar: Scalar = None
    text: str = ""
    items: list[Node] | None = None
    entries: dict[str, Entry] | None = None
    size: int = 1
    height: int = 1

    def plain(self) -> object:
        """The value without its positions: a scalar, a list or a dictionary."""
        if self.entries is not None:
            return {name: entry.value.plain() for name, entry in self.entries.items()}
        if self.items is not None:
            return [item.plain() for item in self.items]
        return self.scalar


class Tree(NamedTuple):
    """root: None if the text could not be understood to its end, or is empty and has no problem."""

    root: Node | None
    problems: list[Problem]


def parse(text: str) -> Tree:
    """The tree of a text, and every mistake in its form."""
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if not builder.take(event):
                return Tree(None, builder.problems)
    except MarkedYAMLError as error:
        return Tree(None, [*builder.problems, syntax.problem(error)])
    except ValueError:
        # The parser hands a \U escape to chr() without looking whether there is such a character.
        return Tree(None, [*builder.problems, syntax.impossible_escape(text)])
    return Tree(builder.root, builder.problems)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet. key: waits for its value."""

    node: Node
    anchor: str | None
    key: Node | None = None


@dataclass
class _Builder:
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    aliases: int = 0
    values: int = 0

    def take(self, event: Event) -> bool:
        """Add what an event says. False: a limit was passed, stop here."""
        if isinstance(event, DocumentStartEvent):
            return self._document(event)
        if isinstance(event, CollectionEndEvent):
            self._close()
        if not isinstance(event, NodeEvent):
            return True
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        return not isinstance(event, CollectionStartEvent) or self._collection(event)

    def _document(self, event: DocumentStartEvent) -> bool:
        version = getattr(event, "version", None)
        if version not in (None, (1, 2)):
            return self._stop(event, f"YAML {version[0]}.{version[1]} is not read here", "Remove the line.")
        if self.root is not None:
            return self._stop(event, "a second document begins here", "Keep one; remove the line `---`.")
        return True

    def _collection(self, event: CollectionStartEvent) -> bool:
        self._refuse_tag(event)
        node = _node(event)
        if isinstance(event, MappingStartEvent):
            node.entries = {}
        else:
            node.items = []
        self.open.append(_Open(node, event.anchor))
        return self._count(event, 1) and self._measure(event, 0)

    def _close(self) -> None:
        closed = self.open.pop()
        if closed.anchor:
            self.anchors[closed.anchor] = closed.node
        self._add(closed.node)

    def _scalar(self, event: ScalarEvent) -> bool:
        self._refuse_tag(event)
        node = _node(event)
        plain = event.style is None
        node.text = event.value
        node.scalar = resolve(event.value) if plain else event.value
        node.size += len(event.value) // 100
        if event.anchor:
            self.anchors[event.anchor] = node
        self._check_characters(node)
        self._add(node)
        return self._count(event, node.size)

    def _alias(self, event: AliasEvent) -> bool:
        node = self.anchors.get(event.anchor)
        if node is None:
            name = shown(event.anchor)
            resolution = f'Is it text? Quote it: "*{name}".'
            self._problem(event, f"there is no anchor `&{name}` before this", resolution)
            node = _node(event)
            node.scalar = node.text = "*" + event.anchor
        self.aliases += 1
        if self.aliases > MAXIMUM_ALIASES:
            return self._stop(event, f"more than {MAXIMUM_ALIASES} aliases", "Write the values out.")
        self._add(node)
        return self._count(event, node.size) and self._measure(event, node.height)

    def _add(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        if parent.node.items is not None:
            parent.node.items.append(node)
            _grow(parent.node, node)
        elif parent.key is None:
            parent.key = node
        else:
            self._add_entry(parent.node, Entry(parent.key, node))
            parent.key = None

    def _add_entry(self, mapping: Node, entry: Entry) -> None:
        assert mapping.entries is not None  # `_collection` made it a mapping
        key = entry.key
        first = mapping.entries.get(key.text)
        if reason := _key_refused(key):
            self.problems.append(Problem(key.line, key.column, *reason))
        elif first:
            message = f"`{shown(key.text)}` stands here twice; first in line {first.key.line}"
            self.problems.append(Problem(key.line, key.column, message, "Remove one of them."))
        else:
            mapping.entries[key.text] = entry
        _grow(mapping, entry.value)

    def _refuse_tag(self, event: ScalarEvent | CollectionStartEvent) -> None:
        if event.tag is not None:
            tag = shown(str(event.tag))
            self._problem(
                event, f"`{tag}` is a tag; tags are not allowed", "Is it text? Put all of it in quotes."
            )

    def _check_characters(self, node: Node) -> None:
        # Escapes in double quotes bring back what `decode` kept out.
        bad = next((char for char in node.text if char == "\0" or "\ud800" <= char <= "\udfff"), None)
        if bad is not None:
            message = f"an escape stands for the character U+{ord(bad):04X}, which is not allowed"
            self.problems.append(Problem(node.line, node.column, message, "Remove the escape."))
            node.scalar = node.text = "?"

    def _count(self, event: Event, size: int) -> bool:
        self.values += size
        if self.values <= MAXIMUM_VALUES:
            return True
        message = f"the file stands for more than {MAXIMUM_VALUES} values"
        return self._stop(event, message, "Make it shorter; an alias counts as everything it stands for.")

    def _measure(self, event: Event, height: int) -> bool:
        if len(self.open) + height <= MAXIMUM_DEPTH:
            return True
        return self._stop(
            event, f"nested deeper than {MAXIMUM_DEPTH} levels", "Three levels are enough here."
        )

    def _problem(self, event: Event, message: str, resolution: str) -> None:
        mark = event.start_mark
        self.problems.append(Problem(mark.line + 1, mark.column + 1, message, resolution))

    def _stop(self, event: Event, message: str, resolution: str) -> bool:
        self._problem(event, message, resolution)
        return False


def _node(event: Event) -> Node:
    return Node(event.start_mark.line + 1, event.start_mark.column + 1)


def _grow(parent: Node, child: Node) -> None:
    parent.size += child.size
    parent.height = max(parent.height, child.height + 1)


def _key_refused(key: Node) -> tuple[str, str] | None:
    if key.items is not None or key.entries is not None:
        return "a key must be text, not a list or a mapping", "Is it text? Quote it."
    if key.text == "<<":
        return "merge keys (`<<`) are not supported", "Write the values out."
    if not isinstance(key.scalar, str):
        text = shown(key.text)
        return f"the key {text or 'before this colon'} is not text", f'Quote it: "{text}".'
    return None
