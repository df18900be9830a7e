"""Looks at the containers and the host and says what is wrong. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Sequence, Tuple

from .catalogue import Catalogue, KnownError
from .causes import Match, fold
from .containers import NEVER, Container
from .docker_cli import Docker, DockerError
from .engine_http import port_state
from .entry_http import entry_state
from .host_probes import HostProbes, container_state, missing_container
from .log_matcher import LogMatcher, Rules, match_text, reading_of
from .log_text import normalise_time
from .memory import Memory
from .settings import Settings
from .times import earlier_by, latest, parse
from .witness import Scene

HOST = "host"
START_DELAY = 2.0  # seconds that a program may write before Docker says that it has started
_ENGINE_MARKS = (("cosyvoice", "cosyvoice"), ("duix", "duix"), ("heygem", "duix"))


@dataclass(frozen=True)
class Patient:
    """A container that was looked at, or should be there. ``since``: from when on its log counts."""

    name: str
    engine: str
    container: Optional[Container]
    since: str


@dataclass(frozen=True)
class Finding:
    """A known error that is there: where (a container's name or ``host``) and what was seen."""

    where: str
    match: Match

    @property
    def error(self) -> KnownError:
        """The catalogue's entry."""
        return self.match.error


@dataclass(frozen=True)
class Diagnosis:
    """All that was looked at and all that was found. ``trouble``: why Docker could not be asked, or ``''``."""

    patients: Tuple[Patient, ...]
    findings: Tuple[Finding, ...]
    trouble: str

    @property
    def healthy(self) -> bool:
        """True when no finding keeps an engine from serving."""
        return not any(f.error.severity == "fault" and not f.match.suspected for f in self.findings)


def engine_of(container: Container) -> str:
    """Which engine a container of unknown name runs, recognised by its image or command; ``other`` when it is none."""
    text = " ".join((container.image, *container.command)).lower()
    return next((engine for mark, engine in _ENGINE_MARKS if mark in text), "other")


def run_start(container: Container) -> str:
    """From when on lines belong to the container's last run.

    Docker sets the time of the start a little after the program has begun to write, for a short run even after its
    end; so the end of the run before is taken where it is known.
    """
    started, finished = normalise_time(container.started_at), normalise_time(container.finished_at)
    if finished <= normalise_time(NEVER):
        return container.created_at
    if container.running and finished < started:
        return finished
    return earlier_by(parse(min(started, finished)), START_DELAY)


class Examiner:
    """Examines the targets of the settings."""

    def __init__(
        self, docker: Docker, probes: HostProbes, catalogue: Catalogue, settings: Settings, memory: Memory
    ) -> None:
        self._docker = docker
        self._probes = probes
        self._catalogue = catalogue
        self._settings = settings
        self._memory = memory
        self._prepared: Dict[Tuple[str, str], Rules] = {}

    def diagnose(self) -> Diagnosis:
        """Look at everything once. Raises DockerError when docker answers first and fails later."""
        trouble = self._docker.trouble()
        patients = () if trouble else self._patients()
        findings = self._host_findings(trouble)
        for patient in patients:
            findings.extend(Finding(patient.name, match) for match in self.examine(patient))
        return Diagnosis(patients, tuple(findings), trouble)

    def patient(self, name: str, engine: str) -> Patient:
        """The container of that name as it is now."""
        container = self._docker.inspect(name)
        since = self._log_start(container) if container else ""
        return Patient(name, engine, container, since)

    def examine(self, patient: Patient) -> List[Match]:
        """The known errors that a container shows, causes first; then those that only its log speaks of."""
        container = patient.container
        if container is None:
            return self._match(patient.engine, "state", missing_container())
        logged, unreadable = self._log_matches(patient) if container.started else ([], "")
        matches, suspected = self._confirmed(logged, patient.engine, container)
        state = [container_state(container, loops=self._loops(container)), unreadable]
        state.append(self._probes.port_conflicts(self._docker, container))
        state.append(self._engine_port(patient, container))
        state.append(entry_state(container) if patient.engine == "gateway" else "")
        matches += self._match(patient.engine, "state", "\n".join(state))
        if container.running and container.wants_gpu:
            matches += self._match(patient.engine, "gpu", self._probes.gpu_inside(self._docker, container))
        # What is only suspected takes no confirmed fault under itself, else a forged line would hide a real one.
        return [*fold(matches), *fold(suspected)]

    def _confirmed(self, logged: Sequence[Match], engine: str, container: Container) -> Tuple[List[Match], List[Match]]:
        """The matches that need no witness or have one, and the others."""
        scene = Scene(self._docker, self._probes, container, engine, self._loops(container))
        confirmed, suspected = [], []
        for match in logged:
            if match.error.severity != "fault" or scene.confirms(match.error):
                confirmed.append(match)
            elif not self._rests(match, container):
                suspected.append(replace(match, suspected=True))
        return confirmed, suspected

    def _rests(self, match: Match, container: Container) -> bool:
        """True for lines whose cause was seen to be gone after them."""
        until = self._memory.rested(container.name, match.error.id)
        return bool(until) and (match.last_seen or "") <= until

    def _patients(self) -> Tuple[Patient, ...]:
        found = {target.name: self.patient(target.name, target.engine) for target in self._settings.targets}
        for project in self._settings.projects:
            for name in self._docker.names(f"label=com.docker.compose.project={project}"):
                if name not in found:
                    other = self._docker.inspect(name)
                    found[name] = self.patient(name, engine_of(other) if other else "other")
        optional = {target.name for target in self._settings.targets if not target.expected}
        return tuple(p for p in found.values() if p.container or p.name not in optional)

    def _log_matches(self, patient: Patient) -> Tuple[List[Match], str]:
        """What the log shows; a log that can't be read (a driver without one, say) is a line of its own."""
        matcher = LogMatcher(self._rules(patient.engine, "log"), patient.since)
        try:
            self._docker.logs(patient.name, patient.since, matcher.feed)
        except DockerError as error:
            return matcher.finish(), f"log unreadable: {error}"
        return matcher.finish(), ""

    def _engine_port(self, patient: Patient, container: Container) -> str:
        """An engine that went away while its container stays, or that takes connections and never answers."""
        if not container.running or self._loops(container):
            return ""
        state = port_state(container, patient.engine)
        if state == "silent":
            return "engine silent: its port is open, requests get no answer"
        if state == "closed" and "python" not in self._docker.processes(container.name):
            return "engine gone: its program has ended, the container stays up"
        return ""

    def _match(self, engine: str, source: str, text: str) -> List[Match]:
        """What a text other than a log shows; nothing in it was worded by a request."""
        return match_text(text.encode(), self._rules(engine, source))

    def _rules(self, engine: str, source: str) -> Rules:
        key = (engine, source)
        if key not in self._prepared:
            errors = self._catalogue.select(engine, source)
            self._prepared[key] = Rules.of(errors, self._catalogue.benign, reading=reading_of(engine, source))
        return self._prepared[key]

    def _host_findings(self, trouble: str) -> List[Finding]:
        state = self._match("host", "state", self._probes.docker_state(trouble))
        host = self._match("host", "host", self._probes.host(self._settings))
        kernel = self._match("host", "kernel", self._probes.kernel_log()) if self._settings.gpu else []
        return [Finding(HOST, match) for match in fold([*state, *host, *kernel])]

    def _log_start(self, container: Container) -> str:
        """Lines count from the last start on, in a restart loop from some minutes ago, never from before a cure."""
        start = run_start(container)
        if self._loops(container):
            start = earlier_by(self._probes.now(), self._settings.loop_window)
        return latest(start, self._memory.last_cure(container.name))

    def _loops(self, container: Container) -> bool:
        """True while Docker keeps restarting the container."""
        if container.status == "restarting":
            return True
        young = container.started_at > earlier_by(self._probes.now(), 60)
        return container.restart_count > 0 and young
