"""One visit: diagnose, decide, cure, prove, report."""

from __future__ import annotations

import contextlib
import fcntl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import AbstractSet, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from . import report as reports
from .catalogue import Catalogue
from .commands import Commands
from .diagnosis import Diagnosis, Examiner, Finding, Patient
from .docker_cli import Docker
from .host_probes import HostProbes
from .memory import Cure, Memory, write_json
from .remedies import Action, Diff, Tools
from .settings import Settings
from .treatment import APPLIED, CAUSE_GONE, FAILED, PLANNED, Decision, Round, Treated, carry_out, decide, round_of
from .verification import Verdict, verify

REPORT_FILE, MEMORY_FILE = "report.json", "state.json"
MOST_ROUNDS = 4  # of cures at one place in one visit, for faults that hide behind others


@dataclass(frozen=True)
class Visit:
    """What a visit found and did. ``actions`` and ``diffs`` are the same in check mode and in the real run."""

    report: Mapping[str, Any]
    actions: Tuple[str, ...]
    diffs: Tuple[Diff, ...]


class Doctor:
    """Visits the containers and the host that the settings name."""

    def __init__(self, catalogue: Catalogue, settings: Settings, commands: Commands) -> None:
        self._settings = settings
        self._folder = Path(settings.state_dir)
        self._memory = Memory(self._folder / MEMORY_FILE)
        self._probes = HostProbes(commands)
        docker = Docker(commands)
        self._tools = Tools(docker, self._probes, settings)
        self._examiner = Examiner(docker, self._probes, catalogue, settings, self._memory)

    def visit(self, *, check_mode: bool) -> Visit:
        """Diagnose and, outside check mode, cure. Raises DockerError or OSError where that can't go on."""
        if check_mode:
            return self._visit(check_mode=True)
        with _alone(self._folder):
            self._memory.load()
            return self._visit(check_mode=False)

    def _visit(self, *, check_mode: bool) -> Visit:
        diagnosis = self._examiner.diagnose()
        if not check_mode:
            self._settle_open_cures(diagnosis)
        decisions: List[Decision] = []
        actions: List[Action] = []
        for where in dict.fromkeys(finding.where for finding in diagnosis.findings):
            patient = next((p for p in diagnosis.patients if p.name == where), None)
            findings = [finding for finding in diagnosis.findings if finding.where == where]
            some, done = self._attend(patient, findings, check_mode=check_mode)
            decisions += some
            actions += done
        if not check_mode:
            diagnosis = self._as_left(diagnosis, {action.where for action in actions})
        report = reports.build(diagnosis, decisions, self._memory, self._settings, self._probes.now())
        if not check_mode:
            self._memory.save()
            write_json(self._folder / REPORT_FILE, report, mode=0o644)
        diffs = tuple(action.diff for action in actions if action.diff)
        return Visit(report, tuple(action.summary for action in actions), diffs)

    def _as_left(self, diagnosis: Diagnosis, places: AbstractSet[str]) -> Diagnosis:
        """The diagnosis with the treated containers as they are now."""
        again = (self._examiner.patient(p.name, p.engine) if p.name in places else p for p in diagnosis.patients)
        return replace(diagnosis, patients=tuple(again))

    def _attend(
        self, patient: Optional[Patient], findings: Sequence[Finding], *, check_mode: bool
    ) -> Tuple[List[Decision], List[Action]]:
        """Decide and, outside check mode, cure at one place; faults that show only after a cure are cured too."""
        decisions: List[Decision] = []
        actions: List[Action] = []
        for _ in range(MOST_ROUNDS):
            container = patient.container if patient else None
            fresh = decide(findings, container, self._tools, self._memory, self._probes.now())
            self._let_rest(fresh)
            treatment = round_of(fresh, self._tools)
            if treatment:
                actions += treatment.actions
            if treatment is None or patient is None or check_mode:
                return [*decisions, *fresh], actions
            fresh, verdict = self._treat(treatment, patient, fresh)
            decisions = [*_judged(decisions, verdict.verified), *fresh]
            if not verdict.hidden:
                break
            patient = self._examiner.patient(patient.name, patient.engine)
            findings = [Finding(patient.name, match) for match in verdict.hidden]
        return decisions, actions

    def _let_rest(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if decision.outcome == CAUSE_GONE:
                finding = decision.finding
                self._memory.rest(finding.where, finding.error.id, finding.match.last_seen or "")

    def _treat(
        self, treatment: Round, patient: Patient, decisions: Sequence[Decision]
    ) -> Tuple[List[Decision], Verdict]:
        """Carry a round out and wait for the proof."""
        planned = [decision for decision in decisions if decision.outcome == PLANNED]
        treated = carry_out(treatment, self._probes.now)
        self._remember(planned, treated)
        if treated.trouble:
            verdict = Verdict(False)
        else:
            cured = frozenset(decision.finding.error.id for decision in planned)
            request = any(decision.finding.error.verify == "request" for decision in planned)
            verdict = verify(self._examiner, patient, cured, self._settings.verify_timeout, request=request)
        if verdict.verified is not None:
            self._memory.settle(treatment.where, verdict.verified)
        outcome = FAILED if treated.trouble else APPLIED
        done = [replace(d, outcome=outcome, detail=treated.trouble) if d in planned else d for d in decisions]
        return _judged(done, verdict.verified), verdict

    def _remember(self, planned: Sequence[Decision], treated: Treated) -> None:
        container = self._tools.docker.inspect(treated.where)
        started = container.started_at if container else ""
        for decision in planned:
            error = decision.finding.error.id
            self._memory.remember(Cure(error, treated.where, decision.remedy, treated.at, started, None))
        self._memory.save()

    def _settle_open_cures(self, diagnosis: Diagnosis) -> None:
        """Cures whose proof was still open are decided by what this visit sees."""
        faults = {
            (f.where, f.error.id) for f in diagnosis.findings if f.error.severity == "fault" and not f.match.suspected
        }
        for cure in self._memory.cures:
            if cure.verified is None and (cure.where, cure.error) in faults:
                self._memory.settle(cure.where, verified=False)
        sick = {where for where, _ in faults}
        for patient in diagnosis.patients:
            if patient.name not in sick:
                self._memory.settle(patient.name, verified=True)


def _judged(decisions: Sequence[Decision], verified: Optional[bool]) -> List[Decision]:
    """The decisions with the verdict written into those that were carried out."""
    return [replace(d, verified=verified) if d.outcome in (APPLIED, FAILED) else d for d in decisions]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other visit cures on this host."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def plain(diffs: Sequence[Diff]) -> List[Dict[str, str]]:
    """Diffs in the shape that Ansible shows."""
    return [{"before": d.before, "after": d.after, "before_header": d.path, "after_header": d.path} for d in diffs]
