"""The members of a ValueSet, all of them and surely, or an error (SQL on FHIR, "Terminology in SQL")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lacustre.errors import TerminologyError
from lacustre.fhir.canonical import Canonical
from lacustre.terminology.code_systems import MAX_DEPTH, Concept, complete_code_system
from lacustre.terminology.members import child, flag, number, objects, text, texts
from lacustre.terminology.resources import Resource, Terminology

_UNCLOSED = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"
_TOO_COSTLY = "http://hl7.org/fhir/StructureDefinition/valueset-toocostly"
_PARTIAL = frozenset({"activeonly", "filter", "limitedexpansion", "limited-expansion"})
"""Parameters of an expansion (in lower case) that leave members out."""

_HINT = "give the value set with a complete expansion, as a terminology server makes it with $expand"


@dataclass(frozen=True, slots=True)
class Member:
    """A row of a value set. `version` is that of the code system; None where it, or `inactive`, is not known."""

    system: str
    version: str | None
    code: str
    display: str | None
    inactive: bool | None


Key: TypeAlias = tuple[str, str | None, str]


def value_set_members(terminology: Terminology, canonical: Canonical) -> list[Member]:
    """The members of the value set that a canonical means, one for each system, version and code.

    Raises TerminologyError, `value_set_not_found`, or with the reason why not all members are known.
    """
    return list(_members(terminology, canonical, ()).values())


def _members(terminology: Terminology, canonical: Canonical, above: tuple[str, ...]) -> dict[Key, Member]:
    if str(canonical) in above:
        chain = " → ".join((*above[above.index(str(canonical)) :], str(canonical)))
        raise TerminologyError("value_set_cycle", f"value sets import each other: {chain}")
    if len(above) > MAX_DEPTH:
        raise TerminologyError("value_set_too_deep", f"more than {MAX_DEPTH} value sets import each other")
    resource = terminology.find("ValueSet", canonical)
    if resource is None:
        hint = "load it into the lake, or put its JSON file beside the queries"
        raise TerminologyError("value_set_not_found", f"there is no ValueSet {canonical}", hint)
    if "expansion" in resource:
        return _unique(_expanded(resource, canonical), canonical)
    if "compose" in resource:
        return _composed(resource, terminology, canonical, (*above, str(canonical)))
    raise _unknown(canonical, "it has neither an expansion nor a definition of its content")


def _unknown(canonical: Canonical, why: str, hint: str = _HINT) -> TerminologyError:
    return TerminologyError("value_set_incomplete", f"not all members of {canonical} are known: {why}", hint)


def _unique(members: Iterator[Member], canonical: Canonical) -> dict[Key, Member]:
    found: dict[Key, Member] = {}
    for member in members:
        key = (member.system, member.version, member.code)
        other = found.setdefault(key, member)
        if None not in (other.inactive, member.inactive) and other.inactive != member.inactive:
            message = f"{canonical} says both that {member.system}|{member.code} is inactive and that it is not"
            raise TerminologyError("value_set_contradiction", message)
        inactive = member.inactive if other.inactive is None else other.inactive
        found[key] = replace(other, display=other.display or member.display, inactive=inactive)
    return found


def _expanded(resource: Resource, canonical: Canonical) -> Iterator[Member]:
    expansion = child(resource, "expansion")
    entries = list(_entries(expansion, canonical, 0))
    _require_whole(expansion, len(entries), canonical)
    for entry in entries:
        if flag(entry, "abstract") is True:
            continue
        system, code = text(entry, "system"), text(entry, "code")
        if system is None or code is None:
            raise TerminologyError("value_set_faulty", f"an entry in the expansion of {canonical} lacks system or code")
        yield Member(system, text(entry, "version"), code, text(entry, "display"), flag(entry, "inactive"))


def _entries(owner: Resource, canonical: Canonical, depth: int) -> Iterator[Mapping[str, Any]]:
    if depth > MAX_DEPTH:
        message = f"the expansion of {canonical} is nested more than {MAX_DEPTH} deep"
        raise TerminologyError("value_set_too_deep", message)
    for entry in objects(owner, "contains"):
        yield entry
        yield from _entries(entry, canonical, depth + 1)


def _require_whole(expansion: Resource, count: int, canonical: Canonical) -> None:
    """Raise TerminologyError for an expansion that is a page, a selection or an excerpt."""
    total = number(expansion, "total")
    marked = {text(extension, "url") for extension in objects(expansion, "extension") if _is_set(extension)}
    parameters = {str(text(item, "name")).casefold() for item in objects(expansion, "parameter") if _is_set(item)}
    if total is None and count == 0:
        raise _unknown(canonical, "its expansion is empty and does not say that it has none")
    if total is not None and total > count:
        raise _unknown(canonical, f"its expansion has {count} of {total} entries")
    if number(expansion, "offset") or text(expansion, "next"):
        raise _unknown(canonical, "its expansion is one page of several")
    if marked & {_UNCLOSED, _TOO_COSTLY}:
        raise _unknown(canonical, "its expansion is marked as incomplete")
    if partial := parameters & _PARTIAL:
        raise _unknown(canonical, f"its expansion was made with {', '.join(sorted(partial))}")


def _is_set(item: Mapping[str, Any]) -> bool:
    """Whether the value of an extension or parameter is anything but false."""
    return not any(name.startswith("value") and value in (False, "false") for name, value in item.items())


def _composed(
    resource: Resource, terminology: Terminology, canonical: Canonical, above: tuple[str, ...]
) -> dict[Key, Member]:
    compose = child(resource, "compose")
    reader = _Compose(terminology, canonical, above, locked="lockedDate" in compose)
    includes = objects(compose, "include")
    if not includes:
        raise _unknown(canonical, "its definition includes nothing")
    members = _unique((member for include in includes for member in reader.part(include)), canonical)
    gone = _Codes(member for exclude in objects(compose, "exclude") for member in reader.part(exclude))
    kept = {key: member for key, member in members.items() if member not in gone}
    if flag(compose, "inactive") is not False:
        return kept
    if any(member.inactive is None for member in kept.values()):
        raise _unknown(canonical, "it leaves inactive codes out, and which these are is not known")
    return {key: member for key, member in kept.items() if not member.inactive}


class _Codes:
    """Members in which others are looked for: the same code of the same version, or of any where one has none."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._versions: dict[tuple[str, str], set[str | None]] = {}
        for member in members:
            self._versions.setdefault((member.system, member.code), set()).add(member.version)

    def __contains__(self, member: Member) -> bool:
        versions = self._versions.get((member.system, member.code))
        return versions is not None and (member.version is None or not versions.isdisjoint({member.version, None}))


@dataclass(frozen=True, slots=True)
class _Compose:
    """Reads the includes and excludes of a value set's definition."""

    terminology: Terminology
    canonical: Canonical
    above: tuple[str, ...]
    locked: bool

    def part(self, part: Mapping[str, Any]) -> list[Member]:
        """The members of one include or exclude: of its system, and of all the value sets that it names."""
        if "filter" in part:
            raise _unknown(self.canonical, f"its definition filters {text(part, 'system')}")
        for name in ("concept", "valueSet"):
            if name in part and not part[name]:
                raise TerminologyError("value_set_faulty", f"{self.canonical} includes a {name} list that is empty")
        sets = [self._imported(text) for text in texts(part, "valueSet")]
        if text(part, "system"):
            return _in_all(self._of_system(part), sets)
        if "concept" in part:
            raise TerminologyError("value_set_faulty", f"{self.canonical} includes concepts without a system")
        if not sets:
            raise _unknown(self.canonical, "its definition has an include of nothing")
        return _in_all(sets[0], sets[1:])

    def _imported(self, text: str) -> list[Member]:
        if text.startswith("#"):
            raise _unknown(self.canonical, f"it includes {text}, which is contained in it")
        return list(_members(self.terminology, Canonical.parse(text), self.above).values())

    def _of_system(self, part: Mapping[str, Any]) -> list[Member]:
        asked = _system_of(part)
        system = complete_code_system(self.terminology, asked)
        if "concept" in part:
            known = {concept.code: concept for concept in system.concepts} if system else {}
            return [self._listed(entry, asked, known) for entry in objects(part, "concept")]
        if system is None:
            hint = "load the CodeSystem with content complete, or give the value set with a complete expansion"
            raise _unknown(self.canonical, f"it includes all of {asked.url}, which is not there as a whole", hint)
        if self.locked and asked.version is None:
            raise _unknown(self.canonical, f"it is of a date, and includes all of {asked.url} without its version")
        return [
            Member(asked.url, system.version, concept.code, concept.display, concept.inactive)
            for concept in system.concepts
            if not concept.abstract
        ]

    def _listed(self, entry: Mapping[str, Any], system: Canonical, known: Mapping[str, Concept]) -> Member:
        code = text(entry, "code")
        if code is None:
            raise TerminologyError("value_set_faulty", f"{self.canonical} includes a concept without a code")
        concept = known.get(code)
        display = text(entry, "display") or (concept.display if concept else None)
        return Member(system.url, system.version, code, display, concept.inactive if concept else None)


def _system_of(part: Mapping[str, Any]) -> Canonical:
    """The code system of an include, whose version some write after a | in the url."""
    written = Canonical.parse(text(part, "system") or "")
    return Canonical(written.url, text(part, "version") or written.version)


def _in_all(members: Sequence[Member], sets: Sequence[Sequence[Member]]) -> list[Member]:
    codes = [_Codes(others) for others in sets]
    return [member for member in members if all(member in others for others in codes)]
