"""``site.yml`` over SSH on throw-away hosts: first run, second run, ``--check``, more hosts, and stock settings.

All hosts share this machine's cores, so what several hosts cost here is an upper bound for hosts of their own. Many
hosts are compared with one in both ways: all on these cores, and each with a fixed share, as real hosts have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench.context import Context
from bench.measure import Figure, Rounds, Sample, at_most
from tests.support.servers import ROOT

HOSTS = (1, 2, 4)
# Of a core, for a host of its own: four of them leave half of two cores to the machine that drives them.
SHARE = 0.25
PERIOD_MICROSECONDS = 100_000
PREFIX = "twinport-bench"
CERTIFICATES = "{{ query('ansible.builtin.fileglob', '/usr/local/share/ca-certificates/*.crt') }}"
# Ansible's defaults; only the settings that it needs to find the project are kept.
STOCK = """\
[defaults]
roles_path = {root}/roles
library = {root}/library
action_plugins = {root}/action_plugins
module_utils = {root}/module_utils:{root}
collections_path = {root}/.venv/lib
interpreter_python = auto_silent
host_key_checking = false
"""


def _docker(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["docker", *arguments], input=given, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _test_host(action: str, name: str) -> None:
    subprocess.run([sys.executable, "-m", "test_host", action, "--name", name], cwd=ROOT, check=True)


@dataclass(frozen=True)
class Run:
    """One run of the playbook: seconds in total, and of each stage with its number of tasks."""

    seconds: float
    changed: int
    stages: Mapping[str, tuple[int, float]]

    @classmethod
    def of(cls, report: Mapping[str, Any], seconds: float) -> Run:
        """From the JSON that Ansible writes."""
        stages: dict[str, tuple[int, float]] = {}
        for play in report["plays"]:
            took = _seconds(play["play"]["duration"])
            tasks, before = stages.get(play["play"]["name"], (0, 0.0))
            stages[play["play"]["name"]] = (tasks + len(play["tasks"]), before + took)
        return cls(seconds, sum(host["changed"] for host in report["stats"].values()), stages)


def _seconds(duration: Mapping[str, str]) -> float:
    begin, end = (datetime.fromisoformat(duration[which].replace("Z", "+00:00")) for which in ("start", "end"))
    return (end - begin).total_seconds()


class Site:
    """Hosts, and the playbook that is run on them."""

    def __init__(self, folder: Path, context: Context) -> None:
        self._folder = folder
        self._context = context
        self._key = folder / "key"
        self._addresses: dict[str, str] = {}
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)], check=True)
        self._stock = folder / "stock.cfg"
        self._stock.write_text(STOCK.format(root=ROOT), encoding="utf-8")

    def grow(self, count: int) -> None:
        """Boot hosts until there is this number of them."""
        public = self._key.with_suffix(".pub").read_text(encoding="ascii")
        for number in range(len(self._addresses) + 1, count + 1):
            name = f"{PREFIX}-{number}"
            self._context.say(f"booting {name}")
            _test_host("destroy", name)
            self._addresses[name] = ""
            _test_host("create", name)
            script = "mkdir -p /root/.ssh && cat > /root/.ssh/authorized_keys && systemctl start ssh"
            _docker("exec", "-i", name, "sh", "-c", script, given=public)
            (found,) = json.loads(_docker("inspect", name))
            self._addresses[name] = found["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]

    @contextmanager
    def shares(self) -> Iterator[None]:
        """Each host has a fixed share of a core, whatever their number."""
        self._set_quota(round(SHARE * PERIOD_MICROSECONDS))
        try:
            yield
        finally:
            self._set_quota(-1)

    def _set_quota(self, microseconds: int) -> None:
        period = f"--cpu-period={PERIOD_MICROSECONDS}"
        _docker("update", period, f"--cpu-quota={microseconds}", *self._addresses)

    def close(self) -> None:
        """Remove every host."""
        for name in self._addresses:
            _test_host("destroy", name)

    def inventory(self, count: int) -> Path:
        hosts = {name: {"ansible_host": address} for name, address in list(self._addresses.items())[:count]}
        variables = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self._key),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            "engine_mode": "preview",
            "base_image": "debian",
            "twinport_api_keys": ["bench"],
            "twinport_extra_ca_certificates": CERTIFICATES,
        }
        file = self._folder / f"{count}.yml"
        file.write_text(yaml.safe_dump({"gpu_hosts": {"hosts": hosts, "vars": variables}}), encoding="utf-8")
        return file

    def play(self, count: int, *arguments: str, stock: bool = False) -> Run:
        """Run ``site.yml``. Raises RuntimeError with the end of its output where it fails."""
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(self._stock if stock else ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            # Instead of the one that writes a line for each task into the JSON.
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.timer",
        }
        if not stock:
            environment["ANSIBLE_CACHE_PLUGIN_CONNECTION"] = str(self._folder / "facts")
        command = ["ansible-playbook", "-i", str(self.inventory(count)), "site.yml", *arguments]
        started = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        if done.returncode:
            raise RuntimeError(
                f"site.yml ended with {done.returncode}: {_failures(done.stdout) or done.stderr[-1500:]}"
            )
        return Run.of(_report(done.stdout), seconds)


def _report(output: str) -> Any:
    """The JSON in Ansible's output."""
    return json.JSONDecoder().raw_decode(output, output.index("{"))[0]


def _failures(output: str) -> str:
    """The failed tasks of a JSON report, as one text."""
    if "{" not in output:
        return output[-1500:]
    report = _report(output)
    return "; ".join(
        f"{task['task']['name']} on {host}: {result.get('msg', '')}"
        for play in report["plays"]
        for task in play["tasks"]
        for host, result in task["hosts"].items()
        if result.get("failed") or result.get("unreachable")
    )[:1500]


@contextmanager
def _site(context: Context) -> Iterator[Site]:
    site = Site(context.subfolder("site"), context)
    try:
        yield site
    finally:
        site.close()


def _sample(site: Site, count: int, *arguments: str, stock: bool = False) -> Sample:
    run = site.play(count, *arguments, stock=stock)
    return {"seconds": run.seconds, "changed": float(run.changed)}


def _repeats(site: Site, count: int, rounds: int) -> Rounds:
    """Second runs and checks, ours and with stock settings."""
    variants = {
        "second run": partial(_sample, site, count),
        "second run, stock": partial(_sample, site, count, stock=True),
        "--check": partial(_sample, site, count, "--check"),
        "--check, stock": partial(_sample, site, count, "--check", stock=True),
    }
    return Rounds.of(variants, rounds)


def _stages(run: Run, label: str) -> Iterator[Figure]:
    for stage, (tasks, seconds) in run.stages.items():
        yield Figure(f"{label}, stage {stage!r} ({tasks} tasks)/twinport", seconds, "s")


def _hosts(count: int) -> str:
    return f"{count} host{'s' if count > 1 else ''}"


def _repeated(rounds: Rounds, count: int) -> Iterator[Figure]:
    goal = at_most(25.0) if count == 1 else None
    for what in ("second run", "--check"):
        name = f"deploy/{_hosts(count)}, {what}/twinport"
        yield rounds.figure(name, what, "seconds", "s", against=f"{what}, stock", goal=goal)
    changed = f"deploy/{_hosts(count)}, changes of a second run/twinport"
    yield rounds.figure(changed, "second run", "changed", "changes", goal=at_most(0.0))


def _against_one(site: Site, count: int, rounds: int) -> Iterator[Figure]:
    """Second runs on many hosts and on one, in turn."""
    name = f"deploy/{_hosts(count)} against one, second run"
    goal = at_most(1.6, "ratio")
    pair = {"many": partial(_sample, site, count), "one": partial(_sample, site, 1)}
    with site.shares():
        own = Rounds.of(pair, rounds)
    yield own.figure(f"{name}, {SHARE:g} of a core each/twinport", "many", "seconds", "s", against="one", goal=goal)
    shared = Rounds.of(pair, rounds)
    yield shared.figure(f"{name}, all on the same cores/twinport", "many", "seconds", "s", against="one", goal=goal)


def measure(context: Context) -> list[Figure]:
    """One host, then two, then four; with quick sizes one."""
    counts: Sequence[int] = HOSTS[:1] if context.quick else HOSTS
    figures: list[Figure] = []
    with _site(context) as site:
        for count in counts:
            site.grow(count)
            context.say(f"{_hosts(count)}: first run")
            first = site.play(count)
            figures.append(Figure(f"deploy/{_hosts(count)}, first run/twinport", first.seconds, "s"))
            context.say(f"{_hosts(count)}: repeats")
            rounds = _repeats(site, count, context.times(3))
            figures += _repeated(rounds, count)
            if count == 1:
                figures += _stages(first, "deploy/first run")
                figures += _stages(site.play(count), "deploy/second run")
            if count == max(HOSTS):
                context.say(f"{_hosts(count)} against one")
                figures += _against_one(site, count, context.times(5))
    return figures
