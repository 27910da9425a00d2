"""The Bulk Data export client: one call, which goes on where an interrupted one stopped.

Bulk Data Access IG 2.0 and 3.0, SMART Backend Services. The steps are in `job` (kick-off, polling, manifest),
`download` (files) and `finish` (the folder that a load takes); `checkpoint` is what survives a crash.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress

from lacustre.acquire.checkpoint import RUNNING, Checkpoint, Finished, Job, PlannedFile, Run, exclusive, file_key
from lacustre.acquire.config import ExportConfig, read_config
from lacustre.acquire.download import Download
from lacustre.acquire.finish import ExportResult, finish, last_transaction_time, settle
from lacustre.acquire.job import JobFailedError, Request, end_job, kick_off, poll
from lacustre.acquire.manifest import Manifest, instant_of
from lacustre.acquire.session import Session
from lacustre.acquire.waiting import Clock
from lacustre.errors import AccessError, DataError, ManifestError, SettingsError, StorageError

__all__ = ["ExportConfig", "ExportResult", "abandon_export", "read_config", "run_export"]

Progress = Callable[[str, float], None]
_ROUNDS = 4
"""How many jobs a run starts for files that expire before they are here."""


def run_export(config: ExportConfig, progress: Progress | None = None, *, clock: Clock | None = None) -> ExportResult:
    """Export into a new folder below `config.folder`, or end the export that was interrupted there.

    `progress` takes a stage and the share that is done. Raises LacustreError; after a transient StorageError, or
    any other end of the process, the next call downloads only what is missing.
    """
    clock = clock or Clock()
    with exclusive(config.folder):
        settled = settle(config)
        if settled is not None:
            return settled
        with Session(config, clock) as session:
            return _Export(config, session, clock, progress or _silent).run()


def abandon_export(config: ExportConfig) -> bool:
    """Give an interrupted export up, here and on the server; says whether there was one.

    One that is whole, and lacks its folder only, gets it: the next export may start where it ended.
    """
    with exclusive(config.folder):
        settle(config)
        checkpoint = Checkpoint.resume(config.folder)
        if checkpoint is not None:
            with Session(config, Clock()) as session:
                _end_jobs(session, checkpoint)
        found = (config.folder / RUNNING).exists()
        shutil.rmtree(config.folder / RUNNING, ignore_errors=True)
        return found


def _silent(_stage: str, _share: float) -> None:
    pass


class _Export:
    def __init__(self, config: ExportConfig, session: Session, clock: Clock, progress: Progress) -> None:
        self._config = config
        self._session = session
        self._clock = clock
        self._progress = progress
        self._urls: dict[str, tuple[str, bool]] = {}
        self._faults: list[DataError] = []
        self._refused: list[AccessError] = []
        self._checkpoint = self._resumed() or self._new()
        self._had = set(self._checkpoint.finished)

    def run(self) -> ExportResult:
        rounds = 0
        while rounds < _ROUNDS:
            self._learn_plans()
            had = len(self._checkpoint.finished)
            gone = self._download()
            rounds += bool(gone) or len(self._checkpoint.finished) == had
            if gone:
                self._ask_again(gone)
            elif not self._refused:
                return self._end()
        raise StorageError(
            "files_gone",
            "the server's files are gone before they are downloaded",
            "raise parallel, or export fewer types at once; run it again: it goes on from here",
            transient=True,
        )

    def _since(self) -> str | None:
        asked = self._config.since
        return last_transaction_time(self._config) if asked == "last" else None if asked == "never" else asked

    def _resumed(self) -> Checkpoint | None:
        """The interrupted export, where it is of the same request; another one is given up."""
        found = Checkpoint.resume(self._config.folder)
        if found is None:
            return None
        if (found.run.fingerprint, found.run.since) == (self._config.fingerprint, self._since()):
            return found
        _end_jobs(self._session, found)
        return None

    def _new(self) -> Checkpoint:
        run = Run(self._config.fingerprint, self._since(), [Job(1, self._config.types)], self._hole())
        return Checkpoint.begin(self._config.folder, run)

    def _hole(self) -> list[str]:
        """What changed between the last complete export and an instant after it would never be exported."""
        with suppress(SettingsError):
            since, last = self._since(), last_transaction_time(self._config)
            if since is not None and last is not None and instant_of(since) > instant_of(last):
                return [f"since {since} is after the last complete export's {last}: what changed between is missing"]
        return []

    def _learn_plans(self) -> None:
        """Ask for each job of which a file is missing, or may be."""
        for job in self._checkpoint.run.jobs:
            if job.plan is None or any(file.key not in self._urls for file in self._checkpoint.missing(job)):
                self._learn_plan(job)

    def _learn_plan(self, job: Job) -> None:
        for _ in range(_ROUNDS):
            manifest = self._manifest(self._kick_off(job), job)
            if manifest is not None:
                return self._adopt(job, manifest)
            if job.plan is not None:
                return None  # what is missing of it is gone
            job.status_url = None
        raise StorageError("job_gone", "the server forgets its exports before they are done", transient=True)

    def _kick_off(self, job: Job) -> str:
        """The job's status URL; it is on disk before anything waits for it."""
        if job.status_url is None:
            self._progress("kick-off", 0.0)
            request = Request(self._checkpoint.run.since, job.types)
            job.request = request.url(self._config)
            job.status_url, job.started = kick_off(self._session, self._config, request), self._clock.now()
            self._checkpoint.save()
        return job.status_url

    def _manifest(self, status_url: str, job: Job) -> Manifest | None:
        """None where the job is not there any more; where it leads nowhere, it is forgotten before the error."""
        try:
            manifest = poll(self._session, status_url, job.started, self._config, self._clock, self._waiting)
            if manifest is not None:
                self._check_time(job, manifest)
        except (JobFailedError, ManifestError):
            if job.plan is not None:
                return None
            end_job(self._session, status_url)
            job.status_url = None
            self._checkpoint.save()
            raise
        return manifest

    def _waiting(self, share: float | None) -> None:
        self._progress("waiting for the server", share or 0.0)

    def _check_time(self, job: Job, manifest: Manifest) -> None:
        """A server whose time goes back would leave a hole between two exports."""
        run = self._checkpoint.run
        before = run.since if job is run.jobs[0] else run.jobs[0].transaction_time
        if before is not None and manifest.instant < instant_of(before):
            raise ManifestError(
                "regressing_transaction_time",
                f"the export's transactionTime {manifest.transaction_time} is before {before}",
                'the server\'s clock or data went back; since = "never" makes a full export',
            )

    def _adopt(self, job: Job, manifest: Manifest) -> None:
        """The manifest's files become the job's plan; their URLs stay in memory, they may be signed."""
        wanted = [output for output in manifest.outputs if output.kind in job.kinds]
        if job is not self._checkpoint.run.jobs[0] and set(job.types) != set(self._config.types):
            named = (None, *job.types)
            wanted = [output for output in wanted if output.kind != "output" or output.resource_type in named]
        keyed = {file_key(job.number, output): output for output in wanted}
        self._urls |= {key: (output.url, manifest.needs_token) for key, output in keyed.items()}
        if job.plan is None:
            job.plan = [PlannedFile(key, file.kind, file.resource_type, file.count) for key, file in keyed.items()]
            job.transaction_time = manifest.transaction_time
            job.request = manifest.request or job.request
            self._checkpoint.save()

    def _download(self) -> list[PlannedFile]:
        """Every missing file, several at once; gives those that the server has no more."""
        missing = [file for job in self._checkpoint.run.jobs for file in self._checkpoint.missing(job)]
        here = [file for file in missing if file.key in self._urls]
        gone = [file for file in missing if file.key not in self._urls]
        self._refused, had = [], self._checkpoint.brought()
        pool = ThreadPoolExecutor(self._config.parallel, thread_name_prefix="export")
        tasks = {pool.submit(self._fetch, file): file for file in here}
        try:
            gone += self._follow(tasks)
        finally:
            if not all(task.done() for task in tasks):
                self._clock.stop()
            pool.shutdown(cancel_futures=True)
        if self._faults:
            raise self._faults[0]
        if self._refused and self._checkpoint.brought() == had:
            raise self._refused[0]
        return gone

    def _fetch(self, file: PlannedFile) -> Finished | None:
        url, token = self._urls[file.key]
        download = Download(self._session, self._checkpoint, self._clock, self._config.attempts, file, url)
        return download.run(token=token)

    def _follow(self, tasks: dict[Future[Finished | None], PlannedFile]) -> list[PlannedFile]:
        """Wait for all; gives the files that are gone. A file that is no NDJSON does not keep the others waiting.

        Nor does a URL that lets nobody in any more: signatures end, and the manifest has new ones.
        """
        gone, left = [], set(tasks)
        total = sum(len(job.plan or ()) for job in self._checkpoint.run.jobs)
        while left:
            done, left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION)
            for task in done:
                try:
                    gone += [tasks[task]] if task.result() is None else []
                except DataError as error:
                    self._faults.append(error)
                except AccessError as error:
                    url, token = self._urls[tasks[task].key]
                    if token and self._session.trusts(url):
                        raise
                    self._refused.append(error)
                    del self._urls[tasks[task].key]
            self._progress("downloading", (total - len(left)) / max(total, 1))
        return gone

    def _ask_again(self, gone: Sequence[PlannedFile]) -> None:
        """A new job for what is gone only: the types of the outputs, or the deletions.

        The types' other files make place for the new ones; the first job's transactionTime stays the export's.
        """
        run = self._checkpoint.run
        kinds = {file.kind for file in gone}
        types = {file.resource_type for file in gone if file.kind == "output"}
        for job in run.jobs:
            replaced = {file.key for file in job.plan or () if file.kind == "output" and _is_one(file, types)}
            self._checkpoint.drop(job, replaced | {file.key for file in gone})
        if "error" in kinds:
            run.problems.append("an error file of the server is gone")
        if "output" in kinds:
            asked = self._config.types if None in types else tuple(sorted(name for name in types if name))
            run.jobs.append(Job(len(run.jobs) + 1, asked))
        if "deleted" in kinds:  # a job of some types has their deletions only
            run.jobs.append(Job(len(run.jobs) + 1, self._config.types, ("deleted",)))
        self._checkpoint.save()

    def _end(self) -> ExportResult:
        planned = {file.key for job in self._checkpoint.run.jobs for file in job.plan or ()}
        result = finish(self._config, self._checkpoint, len(self._had & planned))
        _end_jobs(self._session, self._checkpoint)
        self._progress("done", 1.0)
        return result


def _is_one(file: PlannedFile, types: Collection[str | None]) -> bool:
    """Whether the file is of the types; a file of unknown types may be of any."""
    return None in types or file.resource_type in types


def _end_jobs(session: Session, checkpoint: Checkpoint) -> None:
    for job in checkpoint.run.jobs:
        if job.status_url is not None:
            end_job(session, job.status_url)
