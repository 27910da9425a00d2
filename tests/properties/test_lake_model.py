"""Any sequence of operations leaves in a lake what a slow model says, in content, counts, history, views and rejects."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.errors import InputError, QualityError
from lacustre.store.load_result import LoadResult
from lacustre.store.maintain import maintain
from lacustre.store.reload import write_rejects
from lacustre.store.retention import Retention
from support.lake_content import exported
from support.lake_model import Key, LakeModel, Version
from support.loading import write_lines

OPERATIONS = {
    "load": 12,
    "replay": 2,
    "load_again": 2,
    "delete": 3,
    "retry": 2,
    "maintain": 2,
    "look_back": 2,
    "build_views": 2,
    "publish": 2,
    "verify": 1,
}
START = datetime(2020, 1, 1, tzinfo=UTC)
IDS = ["a", "A", "é", "e\u0301", "x" * 128, "a.b", "a%20b", "1", "01", "o'k", 'q"q', "日本"]
ZONES = {"Z": 0, "+00:00": 0, "+02:00": 120, "-05:30": -330}
VERSION_IDS = ["1", "2", "10", "007", "W/x", "", "9" * 38]
VIEW = {
    "resource": "Patient",
    "name": "person",
    "select": [{"column": [{"name": "id", "path": "id"}, {"name": "gender", "path": "gender"}]}],
}


@dataclass(slots=True)
class Export:
    """Files in a folder; `received` is the instant of the manifest, if it has one that `announced` rightly or not."""

    folder: Path
    received: datetime | None
    wrong: bool
    versions: dict[str, list[Version]] = field(default_factory=dict)
    bad: dict[str, list[tuple[int, int, str, Version]]] = field(default_factory=dict)
    deletions: dict[Key, datetime] = field(default_factory=dict)

    def known_as(self, name: str) -> tuple[str, str]:
        return sha256((self.folder / name).read_bytes()).hexdigest(), str(self.received or "")


class Run:
    """A lake and its model, and what was done to them; `step` names the operation in the messages of failures."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.choose, self.folder, self.step = random.Random(seed), folder, "begin"
        self.lake, self.model = Lake.open(folder / "lake"), LakeModel()
        self.ids = self.choose.sample(IDS, 6)
        self.exports: list[Export] = []
        self.loaded: set[tuple[str, str]] = set()
        self.rejects: dict[tuple[str, int, int, str], Version] = {}
        self.history: dict[int, dict[Key, Any]] = {}
        self.published: dict[Key, Any] | None = None

    def go(self, operations: int) -> None:
        for number in range(operations):
            name = self.choose.choices([*OPERATIONS], [*OPERATIONS.values()])[0] if self.exports else "load"
            self.step = f"{number} {name}"
            getattr(self, name)()
            self.check()
        self.verify()
        for version in self.history:
            self._look_back_at(version)

    def check(self) -> None:
        assert exported(self.lake) == self.model.content, self.step
        assert {(one.file, one.line, one.raw.decode()) for one in self.lake.rejects()} == {
            (file, line, text) for file, line, _, text in self.rejects
        }, self.step
        for record in self.lake.history():
            self.history.setdefault(record.number, self.model.content)
            if record.number == max(self.history) and record.state == "published":
                self.published = self.model.content
            break

    # operations

    def load(self) -> None:
        self.exports.append(self._export(self.folder / f"export-{len(self.exports)}"))
        self._load(self.exports[-1])

    def replay(self) -> None:
        self._load(self.choose.choice(self.exports))

    def load_again(self) -> None:
        self._load(self.choose.choice(self.exports), again=True)

    def delete(self) -> None:
        keys = {self._key() for _ in range(self.choose.choice([1, 2]))}
        at = self._minute()[0] if self.choose.random() < 0.7 else datetime.now(UTC)
        result = self.lake.delete(*("/".join(key) for key in sorted(keys)), at=at)
        assert result.total("deleted") == self.model.load([], dict.fromkeys(keys, at))["deleted"], self.step
        assert result.deletions == len(keys), self.step

    def retry(self) -> None:
        if self.rejects:
            target = self.folder / f"{self.step}.txt"
            write_rejects(self.lake.rejects(), target)
            lines = target.read_text().splitlines()
            target.write_text("".join(line + ("\n" if line.startswith("#") else "}\n") for line in lines))
            result, settled = self.lake.retry_rejects(target)
            assert settled == len(self.rejects), self.step
            self._same_counts(result, self.model.load(self.rejects.values(), {}))
            self.rejects = {}

    def maintain(self) -> None:
        if self.choose.random() < 0.5:
            self.lake.maintain()
        else:
            maintain(self.lake._tenant, Retention(keep_days=0, grace=timedelta(0)))

    def look_back(self) -> None:
        self._look_back_at(self.choose.choice([*self.history]))

    def _look_back_at(self, version: int) -> None:
        kept_from = next(self.lake.history()).kept_from
        if version < kept_from:
            with pytest.raises(InputError, match="version_gone"):
                self.lake.at(version)
        else:
            assert exported(self.lake.at(version)) == self.history[version], (self.step, version)

    def build_views(self) -> None:
        definitions = write_lines(self.folder / "views/person.json", [VIEW]).parent
        if self.published is None:
            with pytest.raises(QualityError, match="nothing_published"):
                self.lake.build_views(definitions=definitions)
            return
        self.lake.build_views(definitions=definitions)
        wanted = {(name, one["gender"]) for (kind, name), one in self.published.items() if kind == "Patient"}
        rows = self.lake.sql("FROM person").fetchall()
        assert (len(rows), set(rows)) == (len(wanted), wanted), self.step
        assert self.lake.stale_views() == [], self.step

    def publish(self) -> None:
        with suppress(InputError):  # nothing is held
            assert self.lake.publish("looked at").state == "published"

    def verify(self) -> None:
        report = self.lake.verify()
        assert (report.sound, report.unproven) == (True, []), (self.step, report)

    # loads

    def _load(self, export: Export, *, again: bool = False) -> None:
        started, shards = datetime.now(UTC), 2 if not self.history else None
        result = self.lake.load(export.folder, again=again, max_rejects=1.0, processes=1, shards=shards)
        names = [*export.versions, *(["deleted.ndjson"] if export.deletions else [])]
        new = [name for name in names if again or export.known_as(name) not in self.loaded]
        lines = [one for name in new for one in export.versions.get(name, ())]
        fates = self.model.load(
            [one if one.updated > START else _dated(one, export.received or started) for one in lines],
            export.deletions if "deleted.ndjson" in new else {},
        )
        fates["unchanged"] += sum(len(export.versions[name]) for name in export.versions if name not in new)
        fates["rejected"] = sum(map(len, export.bad.values()))
        self._same_counts(result, fates)
        assert (result.version is None) == (not new), self.step
        self._remember(export, new)

    def _remember(self, export: Export, names: list[str]) -> None:
        self.loaded.update(export.known_as(name) for name in names)
        for name in names:
            for line, offset, text, version in export.bad.get(name, ()):
                self.rejects[name, line, offset, text] = version

    def _same_counts(self, result: LoadResult, fates: Mapping[str, int]) -> None:
        names = ("inserted", "updated", "unchanged", "superseded", "deleted", "rejected")
        assert {name: result.total(name) for name in names} == {name: fates.get(name, 0) for name in names}, self.step
        if result.version is not None:
            rows = Counter(kind for kind, _ in self.model.rows)
            for name, counts in result.statement["types"].items():
                lines = sum(counts[fate] for fate in names if fate != "deleted")
                assert (counts["read"], counts["rows"]) == (lines, rows[name]), (self.step, name)

    # what is loaded

    def _export(self, folder: Path) -> Export:
        received = START + timedelta(days=1, minutes=self.choose.randrange(60)) if self.choose.random() < 0.7 else None
        export = Export(folder, received, wrong=self.choose.random() < 0.1)
        for name in self.choose.sample(
            ["Patient.ndjson", "b.ndjson", "below/Patient.ndjson"], self.choose.choice([1, 2])
        ):
            self._file(export, name)
        if received and self.choose.random() < 0.5:
            self._deletions(export)
        if received:
            gap = int(export.wrong)
            count = {name: len(export.versions[name]) + len(export.bad[name]) + gap for name in export.versions}
            manifest: dict[str, Any] = {"transactionTime": received.isoformat()}
            manifest["output"] = [{"url": name, "count": lines} for name, lines in count.items()]
            manifest["deleted"] = [{"url": "deleted.ndjson"}] if export.deletions else []
            write_lines(folder / "manifest.json", [manifest])
        return export

    def _file(self, export: Export, name: str) -> None:
        lines: list[str] = []
        export.versions[name], export.bad[name] = [], []
        for number in range(1, self.choose.choice([0, 1, 3, 6]) + 1):
            version = self._version((name, number))
            if self.choose.random() < 0.05 and version.updated > START:
                offset = sum(len(line.encode()) + 1 for line in lines)
                export.bad[name].append((number, offset, version.text[:-1], version))
                lines.append(version.text[:-1])
            else:
                export.versions[name].append(version)
                lines.append(version.text)
        write_lines(export.folder / name, lines)

    def _deletions(self, export: Export) -> None:
        assert export.received is not None
        bundles = []
        for _ in range(self.choose.choice([1, 2])):
            key, (instant, text) = self._key(), self._minute()
            said = {"timestamp": text} if self.choose.random() < 0.7 else {}
            entry = {"request": {"method": "DELETE", "url": "/".join(key)}}
            bundles.append({"resourceType": "Bundle", "type": "transaction", **said, "entry": [entry]})
            deleted = instant if said else export.received
            export.deletions[key] = max(deleted, export.deletions.get(key, deleted))
        write_lines(export.folder / "deleted.ndjson", bundles)

    def _version(self, place: tuple[str, int]) -> Version:
        key, (updated, text) = self._key(), self._minute()
        meta: dict[str, str] = {}
        if self.choose.random() < 0.75:
            meta["lastUpdated"] = text
        if self.choose.random() < 0.5:
            meta["versionId"] = self.choose.choice(VERSION_IDS)
        said = meta.get("versionId", "")
        resource = self._resource(key) | ({"meta": meta} if meta else {})
        line = self._text(resource)
        number = int(said) if said.isdigit() else -1
        return Version(key, updated if "lastUpdated" in meta else START, number, resource, line, place)

    def _resource(self, key: Key) -> dict[str, Any]:
        resource: dict[str, Any] = {"resourceType": key[0], "id": key[1]}
        if key[0] == "Patient":
            return resource | {"gender": self.choose.choice(["male", "female"])}
        subject = {"reference": f"Patient/{self.choose.choice(self.ids)}"}
        return resource | {"status": self.choose.choice(["final", "amended"]), "subject": subject}

    def _text(self, resource: Mapping[str, Any]) -> str:
        """The resource in one of its forms."""
        members = sorted(resource.items(), reverse=self.choose.random() < 0.5)
        separators = self.choose.choice([(",", ":"), (", ", ": ")])
        return json.dumps(dict(members), ensure_ascii=self.choose.random() < 0.5, separators=separators)

    def _key(self) -> Key:
        return self.choose.choice(["Patient", "Observation"]), self.choose.choice(self.ids)

    def _minute(self) -> tuple[datetime, str]:
        """An instant of a few, so that many are equal, in one of its forms."""
        instant = START + timedelta(minutes=self.choose.randrange(1, 480))
        zone, minutes = self.choose.choice([*ZONES.items()])
        seconds = self.choose.choice(["%H:%M:%S", "%H:%M:%S.000"])
        return instant, (instant + timedelta(minutes=minutes)).strftime(f"%Y-%m-%dT{seconds}") + zone


def _dated(version: Version, received: datetime) -> Version:
    return Version(version.key, received, version.number, version.resource, version.text, version.place)


@pytest.mark.parametrize("seed", range(2))
def test_a_lake_is_what_its_model_says(seed: int, tmp_path: Path) -> None:
    print("seed", seed)
    Run(seed, tmp_path).go(10)
