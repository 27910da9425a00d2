"""What a tenant's first load fixes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lacustre.errors import SettingsError
from lacustre.store.objects import ObjectStore
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import DEFAULT_SETTINGS, RequestedSettings, TenantId, TenantSettings


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path))


def tenant(store: ObjectStore) -> TenantStore:
    return TenantStore(store, TenantId("t"))


def test_the_first_settings_stay(store: ObjectStore) -> None:
    first, second = tenant(store), tenant(store)
    assert second.fixed_settings() is None  # before the first one fixes them
    fixed = first.fix_settings(RequestedSettings("R4B", "Indian/Reunion", 4))
    assert (fixed.fhir_version, fixed.time_zone, fixed.shards) == ("4.3.0", "Indian/Reunion", 4)
    assert second.fix_settings(RequestedSettings()) == fixed
    assert tenant(store).settings == fixed
    with pytest.raises(SettingsError, match="tenant_settings_fixed"):
        tenant(store).fix_settings(RequestedSettings(fhir_version="R4"))


def test_two_first_loads_agree_or_one_fails(store: ObjectStore) -> None:
    first, second = tenant(store), tenant(store)
    assert (first.fixed_settings(), second.fixed_settings()) == (None, None)
    first.fix_settings(RequestedSettings(shards=2))
    with pytest.raises(SettingsError, match="tenant_settings_fixed"):
        second.fix_settings(RequestedSettings(shards=4))
    assert tenant(store).settings.shards == 2


@pytest.mark.parametrize("shards", [0, -1, 3, 8192])
def test_numbers_of_shards_that_cannot_be(shards: int) -> None:
    with pytest.raises(SettingsError, match="bad_shards"):
        RequestedSettings(shards=shards).settle(None)


@pytest.mark.parametrize("zone", ["localtime", "nowhere", "../etc/passwd", "+02:00", "/etc/localtime", "Europe"])
def test_time_zones_that_cannot_be(zone: str) -> None:
    with pytest.raises(SettingsError, match="bad_time_zone"):
        RequestedSettings(time_zone=zone).settle(None)


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "a b", "-a", "é", "a" * 64, "a\n"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(SettingsError, match="bad_tenant"):
        TenantId(name)


def test_settings_come_back_from_json() -> None:
    settings = TenantSettings("5.0.0", "UTC", 8)
    assert TenantSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("members", [{}, {"new": 1}])
def test_a_newer_layout_says_so(members: dict[str, int]) -> None:
    data = json.dumps({**json.loads(DEFAULT_SETTINGS.to_json()), "layout": 2, **members})
    with pytest.raises(SettingsError, match="newer_layout"):
        TenantSettings.from_json(data.encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"layout":1}', b'{"layout":"1"}', b"\xff"])
def test_damaged_settings(data: bytes, store: ObjectStore) -> None:
    store.write("tenants/t/tenant.json", data)
    with pytest.raises(SettingsError, match="bad_tenant_settings"):
        _ = tenant(store).settings


def test_only_resource_types_are_tables(store: ObjectStore) -> None:
    for name in ("Patient", "lost+found", ".trash", "patient"):
        store.write(f"tenants/t/fhir/{name}/x", b"")
    assert tenant(store).resource_types() == ["Patient"]
    with pytest.raises(SettingsError, match="unknown_resource_type"):
        tenant(store).fhir_table("patient")
