"""The error tree of Lacustre.

::

    LacustreError                      code, message, hint; never patient data
    ├── InputError                     the caller can fix it          exit status 2
    │   ├── ViewDefinitionError        every diagnostic of one view
    │   │   ├── FhirPathSyntaxError
    │   │   ├── FhirPathTypeError
    │   │   ├── UnsupportedFunctionError
    │   │   └── FaultyViewsError   several views, each with its diagnostics
    │   ├── SqlLibraryError            every diagnostic of one SQLQuery or SQLView
    │   ├── TerminologyError           a value set or concept map that cannot be enumerated
    │   ├── ManifestError
    │   └── SettingsError
    ├── AccessError                    exit status 3
    ├── DataError                      the data contradict the lake   exit status 4
    │   ├── SchemaConflictError
    │   └── QualityError
    └── StorageError                   the store failed               exit status 5
        └── CommitConflictError        somebody else committed first

A bad *row* is not an exception: it goes to the rejects table and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar


class LacustreError(Exception):
    """Base of every error that Lacustre raises on purpose.

    `code` is a stable string with a section in the documentation, `hint` says what to do next.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.code}: {self.message}{hint}"

    def __reduce__(self) -> tuple[Callable[..., LacustreError], tuple[object, ...]]:
        """Errors travel between processes, with whatever arguments they were made."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[LacustreError], arguments: tuple[object, ...], members: dict[str, object]) -> LacustreError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(members)
    return error


EXCERPT_WIDTH = 110
"""Characters of an expression that a fault shows."""


class InputError(LacustreError):
    """The caller can fix it: a wrong argument, file or definition."""

    exit_status = 2


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault of a ViewDefinition, or of an SQLQuery or SQLView.

    `pointer` is the JSON pointer of the faulty member (RFC 6901). Where the fault is inside a FHIRPath
    expression, `expression` is its text and `start`/`end` are character offsets into it. `line` and `column` are those
    of the file, from 1, and 0 where no file is known.
    """

    code: str
    message: str
    pointer: str = ""
    expression: str | None = None
    start: int = 0
    end: int = 0
    hint: str | None = None
    line: int = 0
    column: int = 0

    def render(self) -> str:
        where = f" (line {self.line}, column {self.column})" if self.line else ""
        lines = [f"{self.code} at {self.pointer or '/'}{where}: {self.message}"]
        lines += [f"    {line}" for line in self.excerpt()]
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)

    def excerpt(self) -> tuple[str, ...]:
        """The expression and, below it, carets under its faulty part; of a long one only what is around that part."""
        if self.expression is None:
            return ()
        first = self.expression.rfind("\n", 0, self.start) + 1
        line = self.expression[first:].split("\n", 1)[0]
        start, width = self.start - first, max(1, self.end - self.start)
        left = max(0, start - EXCERPT_WIDTH // 2) if len(line) > EXCERPT_WIDTH else 0
        shown = line[left : left + EXCERPT_WIDTH]
        before, after = "…" if left else "", "…" if left + EXCERPT_WIDTH < len(line) else ""
        carets = "^" * max(1, min(width, len(shown) - (start - left)))
        return before + _printable(shown) + after, " " * (len(before) + start - left) + carets


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


class DiagnosedError(InputError):
    """A definition that cannot be used; carries every diagnostic, not only the first."""

    def __init__(self, diagnostics: Sequence[Diagnostic], source: str = "view") -> None:
        self.diagnostics = tuple(diagnostics)
        self.source = source
        faults = f"{len(self.diagnostics)} fault" + ("s" if len(self.diagnostics) != 1 else "")
        body = "\n".join(d.render() for d in self.diagnostics)
        super().__init__(self.diagnostics[0].code, f"{source}: {faults}\n{body}")


class ViewDefinitionError(DiagnosedError):
    """A ViewDefinition that cannot be compiled."""


class FhirPathSyntaxError(ViewDefinitionError):
    """A FHIRPath expression that cannot be read."""


class FhirPathTypeError(ViewDefinitionError):
    """A FHIRPath expression whose types or cardinalities cannot hold."""


class UnsupportedFunctionError(ViewDefinitionError):
    """A FHIRPath function or operator that Lacustre does not compile."""


class FaultyViewsError(ViewDefinitionError):
    """Several ViewDefinitions that cannot be compiled; carries the error of each."""

    def __init__(self, errors: Sequence[ViewDefinitionError]) -> None:
        self.errors = tuple(errors)
        self.diagnostics = tuple(diagnostic for error in errors for diagnostic in error.diagnostics)
        self.source = ", ".join(error.source for error in errors)
        message = f"{len(errors)} views are at fault\n" + "\n".join(error.message for error in errors)
        InputError.__init__(self, errors[0].code, message)


class SqlLibraryError(DiagnosedError):
    """An SQLQuery or SQLView, a Library resource or an annotated SQL file, that cannot be run."""


class TerminologyError(InputError):
    """A ValueSet or ConceptMap whose members cannot be enumerated, all of them and surely."""


class ManifestError(InputError):
    """A bulk-export manifest that cannot be followed."""


class SettingsError(InputError):
    """A setting that is missing, wrong or contradicts the tenant's."""


class AccessError(LacustreError):
    """An access that the caller may not have."""

    exit_status = 3


class DataError(LacustreError):
    """The data contradict the lake."""

    exit_status = 4


class SchemaConflictError(DataError):
    """A schema change other than an added nullable field."""


class QualityError(DataError):
    """Too many rejects, or a check that does not hold."""


class StorageError(LacustreError):
    """The store failed; `transient` says whether trying again may help."""

    exit_status = 5

    def __init__(self, code: str, message: str, hint: str | None = None, *, transient: bool = False) -> None:
        super().__init__(code, message, hint)
        self.transient = transient


class CommitConflictError(StorageError):
    """Another writer committed the version first: what was planned on the one before has to be planned again."""

    def __init__(self, uri: str, version: int) -> None:
        super().__init__(
            "commit_conflict", f"version {version} of {uri} is another writer's", "try again", transient=True
        )


def near(name: str, names: Iterable[str]) -> str | None:
    """A hint with the names that are nearest to a wrong one, or None."""
    found = get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(found)}?" if found else None
