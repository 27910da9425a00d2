"""Resources: small, FHIR-valid (R4) and nasty.

Members are absent, repeat, carry extensions with and without a value, are choices of many types; lists and
objects are never empty. Every list has at most two or three items, so that views over them stay small.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from hypothesis import strategies as st

from support.strategies import values as v

Json: TypeAlias = dict[str, Any]
Strategy: TypeAlias = st.SearchStrategy[Any]


def resources(resource_type: str) -> st.SearchStrategy[Json]:
    """A resource of one of RESOURCE_TYPES, as parsed by `support.fhir_json.loads`."""
    return RESOURCES[resource_type]


def resource_sets(resource_type: str, max_size: int = 4) -> st.SearchStrategy[list[Json]]:
    """Resources of one type whose ids differ."""
    return st.lists(resources(resource_type), max_size=max_size, unique_by=lambda resource: resource["id"])


# Parts


def record(required: Mapping[str, Strategy] | None = None, **optional: Strategy) -> Strategy:
    """An object with the required members and any of the optional ones, but never an empty one."""
    found = st.fixed_dictionaries(dict(required or {}), optional=optional)
    return found if required else found.filter(bool)


def some(items: Strategy, most: int = 2) -> Strategy:
    return st.lists(items, min_size=1, max_size=most)


def merged(*parts: Strategy) -> Strategy:
    return st.tuples(*parts).map(lambda found: {key: item for part in found for key, item in part.items()})


def choice(name: str, types: Mapping[str, Strategy], required: bool = False) -> Strategy:
    """An object with one member such as `valueQuantity`, or with none."""
    members = [
        values.map(lambda value, member=f"{name}{type_[0].upper()}{type_[1:]}": {member: value})
        for type_, values in types.items()
    ]
    return st.one_of(*members) if required else st.one_of(st.just({}), *members)


EXTENSION_VALUES: dict[str, Strategy] = {
    "string": v.texts(),
    "code": v.codes(),
    "boolean": st.booleans(),
    "integer": v.integers(),
    "decimal": v.decimals(),
}

flat_extension = merged(
    st.fixed_dictionaries({"url": v.urls()}), choice("value", EXTENSION_VALUES, required=True)
)
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
    st.fixed_dictionaries({"reference": st.sampled_from(v.REFERENCES)}, optional={"display": v.texts()}),
    st.fixed_dictionaries({"display": v.texts()}),
    st.fixed_dictionaries({"identifier": st.fixed_dictionaries({"value": v.texts()})}),
)
period = record(start=v.date_times(), end=v.date_times(), _start=element)
coding = record(
    system=st.sampled_from(v.SYSTEMS), code=v.codes(), display=v.texts(), extension=some(extension)
)
concept = record(coding=some(coding), text=v.texts(), _text=element)
quantity = record(value=v.decimals(), unit=v.texts(), code=v.codes(), _value=element)
range_ = record(low=quantity, high=quantity)
identifier = record(system=st.sampled_from(v.SYSTEMS), value=v.texts(), use=v.codes())
human_name = merged(
    st.fixed_dictionaries(
        {}, optional={"use": v.codes(), "family": v.texts(), "_family": element, "period": period}
    ),
    repeated("given", v.texts()),
).filter(bool)
contact_point = record(system=v.codes(), value=v.texts(), rank=st.integers(1, 3), _value=element)
meta = record(versionId=st.sampled_from(("1", "2")), lastUpdated=v.instants(), profile=some(v.urls()))

common: dict[str, Strategy] = {
    "meta": meta,
    "extension": some(extension),
    "contained": st.just([{"resourceType": "Patient", "id": "c1"}]),
}


def resource(
    resource_type: str, required: Mapping[str, Strategy], *parts: Strategy, **optional: Strategy
) -> Strategy:
    head = {"resourceType": st.just(resource_type), "id": st.sampled_from(v.IDENTIFIERS), **required}
    return merged(st.fixed_dictionaries(head, optional={**optional, **common}), *parts)


# The resources

patient = resource(
    "Patient",
    {},
    choice("deceased", {"boolean": st.booleans(), "dateTime": v.date_times()}),
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
    link=some(st.fixed_dictionaries({"other": reference, "type": v.codes()})),
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
    choice("value", OBSERVATION_VALUES),
    choice("effective", {"dateTime": v.date_times(), "Period": period, "instant": v.instants()}),
    _valueString=element,
    category=some(concept),
    subject=reference,
    performer=some(reference),
    issued=v.instants(),
    component=some(
        merged(
            st.fixed_dictionaries(
                {"code": concept}, optional={"referenceRange": some(record(low=quantity, text=v.texts()))}
            ),
            choice("value", OBSERVATION_VALUES),
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
    diagnosis=some(st.fixed_dictionaries({"condition": reference}, optional={"rank": st.integers(1, 3)})),
    length=quantity,
)

condition = resource(
    "Condition",
    {"subject": reference},
    choice("onset", {"dateTime": v.date_times(), "string": v.texts(), "Age": quantity, "Range": range_}),
    code=concept,
    clinicalStatus=concept,
    category=some(concept),
    recordedDate=v.date_times(),
    _recordedDate=element,
    encounter=reference,
    stage=some(record(summary=concept, assessment=some(reference))),
    note=some(st.fixed_dictionaries({"text": v.texts()}, optional={"time": v.date_times()})),
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
    answer = merged(choice("value", ANSWERS, required=True), st.fixed_dictionaries({}, optional=nested))
    return st.fixed_dictionaries(
        {"linkId": v.texts()},
        optional={"text": v.texts(), "_text": element, "answer": some(answer), **nested},
    )


questionnaire_response = resource(
    "QuestionnaireResponse",
    {"status": v.codes()},
    subject=reference,
    authored=v.date_times(),
    author=reference,
    questionnaire=v.urls(),
    item=some(items(4)),
)

RESOURCES: dict[str, st.SearchStrategy[Json]] = {
    "Patient": patient,
    "Observation": observation,
    "Encounter": encounter,
    "Condition": condition,
    "QuestionnaireResponse": questionnaire_response,
}
RESOURCE_TYPES = tuple(RESOURCES)
