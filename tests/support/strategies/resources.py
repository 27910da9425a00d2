"""Resources: small, FHIR-valid (R4) and nasty.

Members are absent, repeat, carry extensions with and without a value, are choices of many types; lists and
objects are never empty. Every list has at most two or three items, so that views over them stay small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from hypothesis import strategies as st

from support.strategies import values as v

Json: TypeAlias = dict[str, Any]
Strategy: TypeAlias = st.SearchStrategy[Any]


def resources(resource_type: str) -> st.SearchStrategy[Json]:
    """A resource of one of RESOURCE_TYPES, as parsed by `support.fhir_json.loads`."""
    return RESOURCES[resource_type]


def resource_sets(resource_type: str, max_size: int = 3) -> st.SearchStrategy[list[Json]]:
    """One or more resources of a type, whose ids differ."""
    return st.lists(resources(resource_type), min_size=1, max_size=max_size, unique_by=lambda resource: resource["id"])


# Parts


@st.composite
def record(draw: st.DrawFn, required: Mapping[str, Strategy] | None = None, **optional: Strategy) -> Json:
    """An object with the required members and some of the optional ones, or most of them; never an empty one.

    Optional members are drawn one after the other, name and value together, so that each can be dropped.
    """
    found = {name: draw(values) for name, values in (required or {}).items()}
    names = list(optional)
    while (not found and names) or draw(st.integers(0, len(names))):
        name = draw(st.sampled_from(names))
        if name not in found:
            found[name] = draw(optional[name])
    return found


def merge(parts: Sequence[Json]) -> Json:
    return {key: item for part in parts for key, item in part.items()}


def merged(*parts: Strategy) -> Strategy:
    return st.tuples(*parts).map(merge)


def some(items: Strategy, most: int = 2) -> Strategy:
    """A list, as often of one item as of the most."""
    return st.sampled_from((1, most)).flatmap(lambda least: st.lists(items, min_size=least, max_size=most))


def choice(name: str, types: Mapping[str, Strategy], extended: str = "", required: bool = False) -> Strategy:
    """An object with one member such as `valueQuantity`, or with none.

    Of the `extended` type there may be an extension beside the value, or alone.
    """
    members = [member(json_name(name, type_), values) for type_, values in types.items()]
    if extended:
        given = {json_name(name, extended): types[extended]}
        beside = {f"_{json_name(name, extended)}": element}
        members += [st.fixed_dictionaries(beside, optional=given)]
    return st.one_of(*members) if required else st.one_of(st.just({}), *members)


def json_name(name: str, type_: str) -> str:
    return f"{name}{type_[0].upper()}{type_[1:]}"


def member(name: str, values: Strategy) -> Strategy:
    return values.map(lambda value: {name: value})


EXTENSION_VALUES: dict[str, Strategy] = {
    "string": v.texts(),
    "code": v.codes(),
    "boolean": st.booleans(),
    "integer": v.integers(),
    "decimal": v.decimals(),
}

flat_extension = merged(st.fixed_dictionaries({"url": v.urls()}), choice("value", EXTENSION_VALUES, required=True))
extension = flat_extension | st.fixed_dictionaries({"url": v.urls(), "extension": some(flat_extension)})
element = st.fixed_dictionaries({"extension": some(flat_extension)})
"""What a member such as `_birthDate` holds."""


@st.composite
def repeated(draw: st.DrawFn, name: str, items: Strategy) -> Json:
    """A repeating primitive with the list beside it: `{"given": [null, "b"], "_given": [{…}, null]}`."""
    pairs = draw(st.lists(st.tuples(items, st.none()) | st.tuples(st.none() | items, element), max_size=3))
    members = {name: [value for value, _ in pairs], f"_{name}": [extra for _, extra in pairs]}
    return {key: found for key, found in members.items() if any(item is not None for item in found)}


reference = st.one_of(
    record({"reference": st.sampled_from(v.REFERENCES)}, display=v.texts()),
    record({"display": v.texts()}),
    record({"identifier": record({"value": v.texts()})}),
)
period = record(start=v.date_times(), end=v.date_times(), _start=element)
coding = record(system=st.sampled_from(v.SYSTEMS), code=v.codes(), display=v.texts(), extension=some(flat_extension, 1))
concept = record(coding=some(coding), text=v.texts(), _text=element)
quantity = record(value=v.decimals(), unit=v.texts(), code=v.codes(), _value=element)
range_ = record(low=quantity, high=quantity)
identifier = record(system=st.sampled_from(v.SYSTEMS), value=v.texts(), use=v.codes())
human_name = merged(
    record({"use": v.codes()}, family=v.texts(), _family=element, period=period), repeated("given", v.texts())
)
contact_point = record(system=v.codes(), value=v.texts(), rank=st.integers(1, 3), _value=element)
meta = record(versionId=st.sampled_from(("1", "2")), lastUpdated=v.instants(), profile=some(v.urls()))

common: dict[str, Strategy] = {
    "meta": meta,
    "extension": some(extension),
    "contained": st.just([{"resourceType": "Patient", "id": "c1"}]),
}


def resource(resource_type: str, required: Mapping[str, Strategy], *parts: Strategy, **optional: Strategy) -> Strategy:
    head = {"resourceType": st.just(resource_type), "id": st.sampled_from(v.IDENTIFIERS), **required}
    return merged(record(head, **optional, **common), *parts)


# The resources

patient = resource(
    "Patient",
    {},
    choice("deceased", {"boolean": st.booleans(), "dateTime": v.date_times()}, extended="dateTime"),
    choice("multipleBirth", {"boolean": st.booleans(), "integer": v.integers()}),
    active=st.booleans(),
    _active=element,
    gender=v.codes(),
    birthDate=v.dates(),
    _birthDate=element,
    identifier=some(identifier),
    name=some(human_name, 3),
    telecom=some(contact_point),
    contact=some(record(name=human_name, telecom=some(contact_point), gender=v.codes())),
    generalPractitioner=some(reference, 3),
    managingOrganization=reference,
    link=some(record({"other": reference, "type": v.codes()})),
)

OBSERVATION_VALUES: dict[str, Strategy] = {
    "Quantity": quantity,
    "string": v.texts(),
    "CodeableConcept": concept,
    "integer": v.integers(),
    "boolean": st.booleans(),
    "Range": range_,
    "dateTime": v.date_times(),
    "time": v.times(),
    "Period": period,
}

observation = resource(
    "Observation",
    {"status": v.codes(), "code": concept},
    choice("value", OBSERVATION_VALUES, extended="string"),
    choice("effective", {"dateTime": v.date_times(), "Period": period, "instant": v.instants()}),
    category=some(concept),
    subject=reference,
    performer=some(reference),
    issued=v.instants(),
    component=some(
        merged(
            record({"code": concept}, referenceRange=some(record(low=quantity, text=v.texts()))),
            choice("value", OBSERVATION_VALUES, extended="integer"),
        )
    ),
    referenceRange=some(record(low=quantity, high=quantity, text=v.texts(), appliesTo=some(concept))),
)

encounter = resource(
    "Encounter",
    {"status": v.codes(), "class": coding},
    type=some(concept),
    subject=reference,
    period=period,
    participant=some(record(individual=reference, type=some(concept), period=period)),
    diagnosis=some(record({"condition": reference}, rank=st.integers(1, 3))),
    length=quantity,
)

ONSETS: dict[str, Strategy] = {
    "dateTime": v.date_times(),
    "string": v.texts(),
    "Age": quantity,
    "Range": range_,
}

condition = resource(
    "Condition",
    {"subject": reference},
    choice("onset", ONSETS, extended="string"),
    code=concept,
    clinicalStatus=concept,
    category=some(concept),
    recordedDate=v.date_times(),
    _recordedDate=element,
    encounter=reference,
    stage=some(record(summary=concept, assessment=some(reference))),
    note=some(record({"text": v.texts()}, time=v.date_times())),
)

ANSWERS: dict[str, Strategy] = {
    "string": v.texts(),
    "boolean": st.booleans(),
    "integer": v.integers(),
    "decimal": v.decimals(),
    "date": v.dates(),
    "Coding": coding,
    "Quantity": quantity,
    "Reference": reference,
}


def items(depth: int) -> Strategy:
    """Items of a response, nested below items and below answers."""
    nested: dict[str, Strategy] = {"item": some(items(depth - 1))} if depth > 1 else {}
    answer = choice("value", ANSWERS, extended="date", required=True)
    answers = answer | merged(answer, record(**nested)) if nested else answer
    return record({"linkId": v.texts()}, text=v.texts(), _text=element, answer=some(answers), **nested)


questionnaire_response = resource(
    "QuestionnaireResponse",
    {"status": v.codes()},
    subject=reference,
    authored=v.date_times(),
    author=reference,
    questionnaire=v.urls(),
    item=some(items(3)),
)

RESOURCES: dict[str, st.SearchStrategy[Json]] = {
    "Patient": patient,
    "Observation": observation,
    "Encounter": encounter,
    "Condition": condition,
    "QuestionnaireResponse": questionnaire_response,
}
RESOURCE_TYPES = tuple(RESOURCES)
