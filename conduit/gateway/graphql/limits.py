"""GraphQL: how large a document may be, found out in one pass before it is validated.

Strawberry's own limits follow each use of a fragment: a document of 60 lines keeps them busy for ever.
"""

from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)
from strawberry.extensions import ValidationCache

MAX_CHARACTERS = 10_000
"""Long texts belong into variables."""
MAX_TOKENS = 1_000
MAX_FIELDS = 200
MAX_DEPTH = 8
MAX_ALIASES = 8
MAX_DEFINITIONS = 20
REMEMBERED = 32
"""Documents; a program sends the same ones again, with other variables."""


class DocumentLimits(ValidationCache):
    """Refuses what is longer, deeper or asks more often for the same than anybody needs.

    The rest is validated, the same document once as long as it is remembered: that costs as much as all else.
    """

    def __init__(self) -> None:
        super().__init__(maxsize=REMEMBERED)

    def on_operation(self) -> Iterator[None]:
        """Before it is parsed."""
        self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        yield

    def on_validate(self) -> Iterator[None]:
        """When it is parsed; what breaks a limit is not validated any more."""
        document = self.execution_context.graphql_document
        if document is not None and (fault := limit_fault(document)):
            self.execution_context.pre_execution_errors = [GraphQLError(fault)]
            yield
        else:
            yield from super().on_validate()


def limit_fault(document: DocumentNode) -> str:
    """Which limit the document breaks, in a sentence; "" if none."""
    if len(document.definitions) > MAX_DEFINITIONS:
        return f"A document may have {MAX_DEFINITIONS} operations and fragments."
    size = _Size(document)
    if size.fields > MAX_FIELDS:
        return f"A document may have {MAX_FIELDS} fields."
    if size.aliases > MAX_ALIASES:
        return f"A document may have {MAX_ALIASES} aliases."
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if any(size.depth(each.selection_set) > MAX_DEPTH for each in operations):
        return f"A query may be {MAX_DEPTH} levels deep."
    return ""


class _Size:
    """What is counted of one document, each fragment once."""

    def __init__(self, document: DocumentNode) -> None:
        self.fields = self.aliases = 0
        self._fragments: dict[str, SelectionSetNode] = {}
        self._depths: dict[str, int] = {}
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
                self._count(definition.selection_set)
            if isinstance(definition, FragmentDefinitionNode):
                self._fragments[definition.name.value] = definition.selection_set

    def depth(self, selected: SelectionSetNode) -> int:
        """How many levels of fields there are, at most; a fragment within itself adds none."""
        return max((self._depth_of(each) for each in selected.selections), default=0)

    def _depth_of(self, node: object) -> int:
        if isinstance(node, FragmentSpreadNode):
            return self._depth_of_fragment(node.name.value)
        inner = getattr(node, "selection_set", None)
        below = 0 if inner is None else self.depth(inner)
        return below + isinstance(node, FieldNode)

    def _depth_of_fragment(self, name: str) -> int:
        if name not in self._depths:
            self._depths[name] = 0
            if name in self._fragments:
                self._depths[name] = self.depth(self._fragments[name])
        return self._depths[name]

    def _count(self, selected: SelectionSetNode) -> None:
        for node in selected.selections:
            if isinstance(node, FieldNode):
                self.fields += 1
                self.aliases += node.alias is not None
            if inner := getattr(node, "selection_set", None):
                self._count(inner)
