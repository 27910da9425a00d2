"""The page of what is supported of FHIRPath is the one that the registry gives, and says the truth."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from lacustre.errors import UnsupportedFunctionError
from lacustre.fhir.model import load_model
from lacustre.fhirpath import FUNCTIONS
from lacustre.views.compile import compile_view
from lacustre.views.functions import FUNCTION_BINDERS
from lacustre.views.model import parse_view
from lacustre.views.support import OPERATORS, Operator, refused_functions, supported_functions
from support.shared import REPOSITORY


def script() -> ModuleType:
    path = REPOSITORY / "scripts" / "write_fhirpath_page.py"
    spec = importlib.util.spec_from_file_location("write_fhirpath_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compile_path(path: str) -> str:
    view = {"name": "v", "resource": "Patient", "where": [{"path": f"({path}).exists()"}]}
    select = [{"column": [{"name": "id", "path": "id"}]}]
    return compile_view(parse_view(view | {"select": select}), load_model(), {}).sql


def test_the_page_is_current() -> None:
    page = script()
    assert page.page() == page.PAGE.read_text("utf-8"), "run scripts/write_fhirpath_page.py"


def test_each_function_is_on_one_side() -> None:
    supported = [row.name for _, rows in supported_functions() for row in rows]
    refused = [row.name for row in refused_functions()]
    assert sorted(supported + refused) == sorted(FUNCTIONS)
    assert set(supported) == set(FUNCTION_BINDERS)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.symbol)
def test_each_operator_is_compiled(operator: Operator) -> None:
    assert compile_path(operator.example)


@pytest.mark.parametrize("name", [row.name for row in refused_functions()])
def test_what_is_refused_is_refused_by_name(name: str) -> None:
    arguments = ", ".join(["'x'"] * FUNCTIONS[name].least)
    with pytest.raises(UnsupportedFunctionError, match=rf"{name}\(\) is not supported"):
        compile_path(f"name.{name}({arguments})")
