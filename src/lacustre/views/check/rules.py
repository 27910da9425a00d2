"""What each code of a finding means, in a line: the rules of a SARIF log and of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_FILE = """
view_not_json: The file is not JSON
view_duplicate_member: An object has two members of one name, of which readers take one or the other
view_not_utf8: The file is not encoded in UTF-8
view_too_large: The file is too large for a ViewDefinition
view_not_text: A text has half of a surrogate pair
view_too_deep: The definition, or an expression in it, is nested too deeply
"""
_STRUCTURE = """
view_not_object: A JSON object is expected
view_not_array: A JSON array is expected
view_not_string: A string is expected
view_not_boolean: A boolean is expected
view_unknown_member: A ViewDefinition has no member of this name
view_resource_type: The resource is not a ViewDefinition
view_resource_missing: The resource type of the view is missing
view_select_missing: The view selects nothing
view_without_columns: The view has no column
extension_value: An extension of the definition has no value of its type
view_types: The types that the view asks for are not known
not_a_resource: The document is not a resource
select_empty: A select has neither columns nor selects
iteration_ambiguous: A select has several of forEach, forEachOrNull and repeat
repeat_empty: A repeat has no path
name_missing: A column or constant has no name
sql_name: A name is not one for SQL
path_missing: An expression is missing
path_not_string: An expression is not a string
constant_value: A constant has no value, several, or one that is not of its type
constant_duplicate: Two constants have one name
constant_reserved: A constant has the name of a variable of FHIRPath
column_duplicate: Two columns have one name, letter case aside
column_reserved: A column has the name of a lineage column
union_mismatch: The branches of a union differ in names, order or types of their columns
"""
_MEANING = """
fhirpath_syntax: An expression cannot be read
fhir_version: The view is for another FHIR version than that of the data
unknown_resource: The FHIR version has no such resource type
unknown_element: A type has no element of this name
unknown_function: FHIRPath has no function of this name
unknown_fhir_type: An element is asked of a type that is not one of FHIR
unknown_type: FHIR has no type of this name
undefined_constant: An expression uses a constant that is not defined
unsupported_function: The function is not compiled
unsupported_operator: The operator is not compiled
unsupported_literal: The literal is not compiled
unsupported_variable: The variable is not compiled
wrong_arity: A function has too few arguments, or too many
type_argument: An argument is not the name of a type
type_mismatch: A function or operator stands on a value of a type that it is not for
type_never: A value can never be of this type
not_comparable: Two values of types that do not compare
criteria_not_boolean: The criteria of a function are not a boolean
where_not_boolean: A where of the view is not a boolean
choice_unresolved: A choice element is used without saying which of its types is meant
collection_not_single: A column of one value has a path that yields several
complex_column: A column would hold a value that is not primitive
column_type: The type of a column is not the one that its path yields
ansi_type: The SQL type of a column's tag is not one that its values can have
companion_ambiguous: The extensions of a value of several types are asked for
contained_not_stored: A path leads through contained resources
index_not_fixed: An index is not an integer
integer_too_large: An integer is beyond 32 bits
expression_too_large: An expression comes to too many operations
repeat_endless: The paths of a repeat do not lead down
repeat_too_large: The paths of a repeat lead to too many places of the table
repeat_types: The paths of a repeat lead to several types, or to primitives
repeat_path_empty: A path of a repeat leads nowhere
too_many_branches: The unions of a view multiply to too many branches
not_a_reference: A key is asked of what is no reference
"""
_ADVICE = """
view_url_missing: The view has no url, by which others refer to it
view_name_missing: The view has no name, which its table would have
view_status_missing: The view has no status, which the specification requires
name_reserved: A name is a word of SQL, which queries have to quote
constant_unused: No expression uses a constant
type_wider: A column is declared with a wider type than its path yields
shareable_member_missing: The view claims to be shareable and lacks a member that shareable views have
shareable_type_missing: The view claims to be shareable and a column has no type
shareable_expression: The view claims to be shareable and uses more of FHIRPath than shareable views may
shareable_experimental: The view claims to be shareable and uses an experimental function
tabular_collection: The view claims to be tabular and has a collection
tabular_complex: The view claims to be tabular and has a column that is not primitive
"""
_LAKE = """
view_name_clash: Two files define views of one name, letter case aside
view_name_taken: The lake has a view whose name differs in letter case alone
table_missing: The lake has no table of the view's resource type
view_without_rows: No resource of the lake gives a row
view_contradicts_data: The data contradict the view, so that it cannot be built
select_never_filled: A select runs over items that no resource of the lake has
values_misfit: Values do not fit the SQL type of their column, and become null or are cut
column_never_filled: A column has a value in no row
path_never_filled: An expression names an element that no resource of the lake has
"""

RULES: Mapping[str, str] = MappingProxyType(
    {
        code: meaning
        for table in (_FILE, _STRUCTURE, _MEANING, _ADVICE, _LAKE)
        for code, _, meaning in (line.partition(": ") for line in table.strip().splitlines())
    }
)
"""Every code that a check may give, with what it means."""


def meaning_of(code: str) -> str:
    return RULES.get(code, code.replace("_", " ").capitalize())
