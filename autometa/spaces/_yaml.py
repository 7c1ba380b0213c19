"""YAML as plain values with the line of each, stricter than YAML itself."""

from dataclasses import dataclass, field
from typing import NoReturn

import yaml

from autometa.errors import SpaceError
from autometa.spaces._rules import Path

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT, _BOOL, _INT = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "bool", "int"))
_SCALARS = {_TEXT, _BOOL, _INT, "tag:yaml.org,2002:float", "tag:yaml.org,2002:null"}
_COLLECTIONS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values, and the line on which each begins."""

    value: object
    lines: dict[Path, int]


def parse(text: str, source: str) -> Document:
    """Read one YAML document of plain values.

    Beyond YAML's own rules, keys must be texts and stand once (YAML lets the last win in silence), and
    there are no aliases, no custom tags, and no ``yes`` and ``off`` that are really booleans.

    Args:
        text: The document.
        source: The file's name, for messages.

    Raises:
        SpaceError: A rule is broken; the message names the line.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise SpaceError(_syntax_message(error, source)) from None
    if node is None:
        raise SpaceError(f"{source}:1: the file is empty. A space has a name and hyperparameters.")
    reader = _Reader(source)
    return Document(reader.read(node, ()), reader.lines)


def _syntax_message(error: yaml.YAMLError, source: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{source}:{line}: this is not valid YAML: {said}."


@dataclass(slots=True)
class _Reader:
    source: str
    lines: dict[Path, int] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    def read(self, node: yaml.Node, path: Path) -> object:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._seen:
            self._fail(node, "aliases are not part of the format. Write the values out")
        self._seen.add(id(node))
        if len(path) > _DEEPEST:
            self._fail(node, f"the file nests too deeply. A space needs no more than {_DEEPEST} levels")
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            self._fail(node, f"the tag {node.tag!r} is not part of the format. Drop it")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, position)) for position, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        entries: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TEXT:
                self._fail(key_node, f"a key must be a text, but got {_shown(key_node)}. Put it in quotes")
            key = key_node.value
            if key in entries:
                first = self.lines[(*path, key)]
                self._fail(key_node, f"a key may stand once, but {key!r} is on line {first} already. Drop one")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            entries[key] = self.read(value_node, (*path, key))
        return entries

    def _scalar(self, node: yaml.Node) -> object:
        if node.tag not in _SCALARS:
            self._fail(node, f"a value must be null, true, false, a number or a text, but got {_shown(node)}")
        if node.tag == _BOOL and node.value.lower() not in ("true", "false"):
            self._fail(node, f"YAML reads {node.value} as a boolean. Write true or false, or put it in quotes")
        if node.tag == _INT and ":" in node.value:
            self._fail(node, f"YAML reads {node.value} as a number to base 60. Put it in quotes")
        constructor = yaml.constructor.SafeConstructor()
        try:
            return constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._fail(node, f"{_shown(node)} cannot be read as {node.tag.rpartition(':')[2]}")

    def _fail(self, node: yaml.Node, rule: str) -> NoReturn:
        raise SpaceError(f"{self.source}:{node.start_mark.line + 1}: {rule}.")


def _shown(node: yaml.Node) -> str:
    return (
        repr(node.value)
        if isinstance(node, yaml.ScalarNode)
        else "a list"
        if isinstance(node, yaml.SequenceNode)
        else "a mapping"
    )
