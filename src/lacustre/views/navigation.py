"""From a value to its elements: what a step of a path means, given the FHIR model.

A step that cannot be taken raises `RefusedError`; the binder adds where in the expression it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lacustre.errors import InputError
from lacustre.fhir.model import FhirModel
from lacustre.fhirpath import near_hint
from lacustre.fhirpath.ast import Span
from lacustre.views.ir import (
    FALSE,
    TRUE,
    Apply,
    Choice,
    Coalesce,
    Exists,
    Filter,
    Guard,
    Literal,
    Logic,
    Map,
    Member,
    Nothing,
    Value,
    Variable,
)
from lacustre.views.items import Resolved
from lacustre.views.records import Companion
from lacustre.views.rewrite import substitute, unguarded
from lacustre.views.type_names import SYSTEM_TYPES, TYPE_INFO, TypeName, read_type, type_name
from lacustre.views.types import CHOICE, UNKNOWN, kind_of


class RefusedError(Exception):
    """A step, function or operator that cannot be bound; `span` narrows the place where it is known."""

    def __init__(self, code: str, message: str, hint: str | None = None, span: Span | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.span = span


class Navigator:
    """Takes steps along the elements of one FHIR release, and names the variables of a view."""

    def __init__(self, model: FhirModel) -> None:
        self.model = model
        self._variables = 0
        self._sources: dict[str, Value] = {}

    def new_variable(self, prefix: str, type_: str) -> Variable:
        self._variables += 1
        return Variable(f"{prefix}_{self._variables}", type_)

    def item_of(self, source: Value) -> Variable:
        """A new variable for the items of a collection."""
        item = self.new_variable("x", source.type)
        self._sources[item.key] = source
        return item

    def each(self, value: Value, body: Callable[[Value], Value]) -> Value:
        """`body` for every item of `value`."""
        match value:
            case Nothing():
                return _nothing_for(value, body)
            case Guard(condition=condition, value=guarded):
                return Guard(condition, self.each(guarded, body))
            case Map(source=source, item=item, body=inner) if not inner.many:
                return Map(source, item, self.each(inner, body))
            case Coalesce(options=options) if not value.many:
                found_options = tuple(self.each(option, body) for option in options)
                return Coalesce(found_options[0].type, found_options)
            case _ if value.many:
                item = self.item_of(value)
                return Map(value, item, body(item))
            case _:
                return body(value)

    def member(self, value: Value, name: str) -> Value:
        """The element `name` of every item."""
        if kind_of(value.type) != "complex" and name in ("id", "extension"):
            value = self.each(value, _companion)
        return self.each(value, lambda item: self._member(item, name))

    def of_type(self, value: Value, specifier: str) -> Value:
        """The items of a type or of one derived from it."""
        wanted = self._type_named(specifier, value)
        if value.type != UNKNOWN and wanted.namespace != self._type_of(value).namespace:
            hint = f"write `{wanted.type}`" if wanted.namespace == "System" else None
            raise RefusedError("type_never", f"a value of type {self._type_of(value)} is never {wanted}", hint)
        return self.each(value, lambda item: self._of_type(item, wanted.type))

    def is_type(self, value: Value, specifier: str) -> Value:
        """Whether a single value, or each item of a choice element, is of a type; nothing where there is no value."""
        wanted = self._type_named(specifier, value)
        if value.type == UNKNOWN:
            return Nothing("boolean")
        if wanted.namespace != self._type_of(value).namespace:
            return self.each(value, lambda item: Guard(self.is_there(item), FALSE))
        if value.type == CHOICE:
            return self.each(value, lambda item: self._is_option(item, wanted.type))
        if isinstance(value, Resolved):
            return Guard(Exists(self.key_of(value)), Exists(self.key_of(value, wanted.name)))
        of_system = wanted.namespace == "System"
        is_it = self._type_of(value) == wanted if of_system else self._is_a(value.type, wanted.type)
        return Guard(Exists(value), TRUE if is_it else FALSE)

    def type_of(self, item: Value) -> Value:
        """What `type()` gives for a single item, or for the choice element of one."""
        if isinstance(item, Choice):
            members = (Member(item.source, name, type_) for name, type_ in item.options)
            return Coalesce(TYPE_INFO, tuple(map(self.type_of, members)))
        found = self._type_of(item)
        if "." in found.name or found.name == "Resource":
            raise RefusedError("unsupported_function", f"type() of {found.name} is not supported")
        return Guard(Exists(item), Literal(TYPE_INFO, str(found)))

    def key_of(self, target: Resolved, type_: str | None = None) -> Value:
        """The id of what a reference refers to, where it is of a type (or of any that is asked for already)."""
        for wanted in (type_, target.target):
            if wanted is not None and wanted not in self.model.resource_types:
                raise unresolved(f"whether it is a {wanted}")
        if None not in (type_, target.target) and type_ != target.target:
            return Nothing("string")
        named = type_ or target.target
        arguments = (*(() if named is None else (Literal("code", named),)), target.container)
        return Apply("getReferenceKey", "string", self.member(target.source, "reference"), arguments)

    def _type_named(self, specifier: str, value: Value) -> TypeName:
        """The type that a specifier names; raises RefusedError where there is none, or one of two may be meant."""
        wanted = read_type(specifier, self.model)
        if wanted.name == specifier and wanted.namespace == "FHIR" and value.type == SYSTEM_TYPES.get(specifier):
            raise RefusedError(
                "unsupported_operator", f"{specifier} is not supported here", f"write System.{specifier}"
            )
        if wanted.namespace == "FHIR" or wanted.name not in SYSTEM_TYPES:
            self._check_type(wanted.name)
        return wanted

    def _type_of(self, value: Value) -> TypeName:
        found = type_name(value, self._sources)
        if found is None:
            message = "the type of items that are elements and of others is not supported"
            raise RefusedError("unsupported_operator", message)
        return found

    def presence(self, value: Value) -> Value:
        """`value` for questions of existence and number: a choice is there where any of its members is."""

        def present(item: Value) -> Value:
            return Guard(_is_there(item), TRUE)

        return self.each(value, present) if value.type == CHOICE else value

    def is_there(self, item: Value) -> Value:
        """Whether a single item is there."""
        return _is_there(item) if item.type == CHOICE else Exists(item)

    def choice_of_one(self, value: Value, take: Callable[[Value], Value]) -> Value:
        """The choice element of one item, taken from those items of `value` that have it."""
        match value:
            case Guard(condition=condition, value=guarded):
                return Guard(condition, self.choice_of_one(guarded, take))
            case Map(source=source, item=item, body=body):
                condition, choice = unguarded(body)
                owner = take(Filter(source, item, Logic("and", (condition, _is_there(choice)))))
                assert isinstance(choice, Choice)
                return replace(choice, source=substitute(choice.source, item.key, lambda _: owner), certain=True)
            case _:
                return value

    def _member(self, item: Value, name: str) -> Value:
        if item.type == UNKNOWN:
            return Nothing(UNKNOWN)
        if isinstance(item, Choice):
            return self._member(self._only_option_with(item, name), name)
        if isinstance(item, Literal) and item.type == TYPE_INFO:
            return _part_of_type(item, name)
        if isinstance(item, Resolved):
            if name != "id":
                raise unresolved(f"the element {name}")
            return self.key_of(item)
        element = self.model.element(item.type, name) if kind_of(item.type) == "complex" else None
        if element is None:
            raise self._unknown_element(item.type, name)
        if element.types == ("Resource",):
            message = f"{item.type}.{name} holds whole resources, which are not in typed columns"
            raise RefusedError("contained_not_stored", message, "load them as resources of their own")
        if element.choice:
            return Choice(item, name, element.json_names)
        return Member(item, name, element.types[0], element.many)

    def _only_option_with(self, choice: Choice, name: str) -> Value:
        having = [
            (member, type_)
            for member, type_ in choice.options
            if kind_of(type_) == "complex" and self.model.element(type_, name) is not None
        ]
        if len(having) == 1:
            return Member(choice.source, having[0][0], having[0][1])
        if not having:
            raise RefusedError("unknown_element", f"no type of {choice.element} has an element {name}")
        raise unresolved_choice(choice)

    def _unknown_element(self, type_: str, name: str) -> RefusedError:
        if not self.model.has_type(type_):
            return RefusedError("unknown_element", f"a {type_} has no element {name}")
        known = self.model.type(type_)
        hint = near_hint(name, known.elements)
        if name in known.members:
            element, member_type = known.members[name]
            hint = f"write `{element.name}.ofType({member_type})`" if element.choice else hint
        return RefusedError("unknown_element", f"{type_} has no element {name}", hint)

    def _of_type(self, item: Value, type_: str) -> Value:
        if item.type == UNKNOWN:
            return Nothing(type_)
        if isinstance(item, Resolved):
            return replace(item, target=type_) if item.target in (None, type_) else Nothing(item.type)
        if not isinstance(item, Choice):
            if self._is_a(item.type, type_):
                return item
            raise RefusedError("type_never", f"a value of type {item.type} is never {type_}")
        matching = self._options(item, type_)
        if not matching:
            types = ", ".join(option for _, option in item.options)
            raise RefusedError("type_never", f"{item.element} is never {type_}", f"it may be {types}")
        members = tuple(Member(item.source, name, found) for name, found in matching)
        return members[0] if len(members) == 1 else Coalesce(type_, members)

    def _is_option(self, item: Value, type_: str) -> Value:
        assert isinstance(item, Choice)
        return Guard(_is_there(item), any_of(item.source, self._options(item, type_)))

    def _is_a(self, type_: str, ancestor: str) -> bool:
        """Also of the types of computed values, which the release does not define."""
        return self.model.is_a(type_, ancestor) if self.model.has_type(type_) else type_ == ancestor

    def _options(self, choice: Choice, type_: str) -> tuple[tuple[str, str], ...]:
        return tuple(option for option in choice.options if self.model.is_a(option[1], type_))

    def _check_type(self, type_: str) -> None:
        try:
            self.model.type(type_)
        except InputError as error:
            raise RefusedError("unknown_type", error.message, error.hint) from error


def _part_of_type(info: Literal, name: str) -> Value:
    namespace, _, bare = str(info.value).partition(".")
    parts = {"namespace": namespace, "name": bare}
    if name not in parts:
        raise RefusedError("unsupported_function", f"{name} of what type() gives is not supported")
    return Literal("string", parts[name])


def _companion(item: Value) -> Value:
    if isinstance(item, Coalesce):
        types = ", ".join(option.type for option in item.options)
        raise RefusedError("companion_ambiguous", f"the value may be of types {types}", "name one of them")
    return Companion(item)


def any_of(source: Value, options: tuple[tuple[str, str], ...]) -> Value:
    """Whether any of these members of an item is there."""
    return Logic("or", tuple(Exists(Member(source, name, type_)) for name, type_ in options))


def _nothing_for(value: Nothing, body: Callable[[Value], Value]) -> Value:
    """What `body` yields for no items."""
    found = Nothing(UNKNOWN) if value.type == UNKNOWN else body(Variable("nothing", value.type))
    if found.type == CHOICE:
        return substitute(found, "nothing", nothing_of)
    return Nothing(found.type, value.many or found.many)


def nothing_of(value: Value) -> Value:
    """The empty collection in the place of a value; a choice element keeps its types."""
    if value.type != CHOICE:
        return Nothing(value.type)
    choice = _choice_in(value)
    return replace(choice, source=nothing_of(choice.source))


def refuse_choice(value: Value) -> None:
    """Raises the fault of a choice element where one type is needed."""
    if value.type == CHOICE:
        raise unresolved_choice(_choice_in(value))


def _choice_in(value: Value) -> Choice:
    """The choice element that every item of a value is."""
    while isinstance(value, Map | Guard):
        value = value.body if isinstance(value, Map) else value.value
    assert isinstance(value, Choice)
    return value


def _is_there(item: Value) -> Value:
    """Whether a choice element is there."""
    assert isinstance(item, Choice)
    return Exists(item.source) if item.certain else any_of(item.source, item.options)


def unresolved(what: str) -> RefusedError:
    """The refusal of what a reference's text does not tell of the resource."""
    message = f"resolve() gives the type and the id of a resource, not {what}"
    return RefusedError("unsupported_function", message, "join the view of that resource by getReferenceKey()")


def unresolved_choice(choice: Choice) -> RefusedError:
    types = [type_ for _, type_ in choice.options]
    shown = ", ".join(f"ofType({type_})" for type_ in types[:4]) + (", …" if len(types) > 4 else "")
    return RefusedError("choice_unresolved", f"{choice.element} may be of several types", f"add one of {shown}")
