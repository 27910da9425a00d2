# The recipes of everyday work; `uv run just` lists them.

default:
    @just --list

# lint, types, import layers
check:
    uv run ruff check
    uv run ruff format --check
    uv run mypy
    uv run lint-imports --no-cache

# the test suite
test *arguments:
    uv run pytest {{arguments}}

# what is broken on purpose: kills, full disks, faulty servers, damaged files; a line for each group
faults *arguments:
    uv run pytest tests/faults -m faults -n 3 --dist worksteal {{arguments}}

# ratios of the load, the views and the command, taken in one run
bench *arguments:
    uv run python tests/benchmarks/run.py {{arguments}}

# the official SQL on FHIR cases, with the report for the registry
conformance folder="../shared/conformance/sql-on-fhir":
    uv run lacustre conformance {{folder}} --report test_report.json

# generated documentation: the command's reference, what is supported of FHIRPath
docs:
    uv run python scripts/write_fhirpath_page.py
    uv run typer lacustre.cli.app utils docs --name lacustre --output docs/reference/cli.md

# exact versions of the whole resolution into pyproject.toml
pin:
    uv run python scripts/pin_dependencies.py

# the compact tables of the FHIR model, from the base definitions
fhir-model definitions="../shared/fhir-definitions":
    uv run python scripts/build_fhir_model.py {{definitions}}
