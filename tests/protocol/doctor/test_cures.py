"""Hand-run containers fall ill, the doctor comes once, and they work again; against a real Docker daemon."""

import json
import socket
import zipfile
from pathlib import Path

import pytest

from doctor.commands import Commands
from doctor.docker_cli import Docker, DockerError
from doctor.doctor import Visit
from doctor.recreation import Changes, recreate
from doctor.settings import Pip
from tests.support import broken_engines as engines
from tests.support.hand_run import Lab, docker, logs, wait_for

pytestmark = pytest.mark.slow
TRACEBACK = r"Traceback (most recent call last):\n  File a, line 1\n{}\n"  # for printf
SHM = "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory"


def found(visit: Visit) -> list[str]:
    return [finding["id"] for finding in visit.report["findings"]]


def test_an_unpatched_server_is_replaced_and_speaks(lab: Lab) -> None:
    name = lab.start("cosyvoice")
    assert lab.post(name, 50000, "/inference_zero_shot") == b""

    plan = lab.doctor(name, "cosyvoice").visit(check_mode=True)
    assert found(plan) == ["invalid-file-tensor"]
    assert not plan.report["healthy"]
    assert not (lab.folder / "state").exists()
    assert lab.post(name, 50000, "/inference_zero_shot") == b""

    cure = lab.doctor(name, "cosyvoice").visit(check_mode=False)
    assert cure.actions == plan.actions == (f"replace {engines.SERVER} in {name}", f"restart {name}")
    assert cure.diffs == plan.diffs
    (finding,) = cure.report["findings"]
    assert (finding["applied"], finding["verified"], finding["outcome"]) == (True, True, "applied")
    assert cure.report["healthy"]
    assert len(lab.post(name, 50000, "/inference_zero_shot")) > 0
    (kept,) = (lab.folder / "state" / "kept" / name).iterdir()
    assert kept.read_text() == engines.BROKEN_SERVER

    started = lab.state(name)["State"]["StartedAt"]
    again = lab.doctor(name, "cosyvoice").visit(check_mode=False)
    assert (again.actions, found(again), again.report["healthy"]) == ((), [], True)
    assert lab.state(name)["State"]["StartedAt"] == started
    report = json.loads((lab.folder / "state" / "report.json").read_text())
    assert report == again.report
    assert report["cures"]["tried_total"] == 1


def test_a_mounted_server_file_is_replaced_on_the_host(lab: Lab) -> None:
    own = lab.folder / "server.py"
    own.write_text(engines.BROKEN_SERVER)
    name = lab.start("cosyvoice", "--volume", f"{own}:{engines.SERVER}")
    lab.post(name, 50000, "/inference_zero_shot")
    visit = lab.doctor(name, "cosyvoice").visit(check_mode=False)
    assert visit.report["findings"][0]["verified"] is True
    assert own.read_text() == engines.FIXED_SERVER


def test_the_package_behind_a_server_is_copied_with_it(lab: Lab) -> None:
    files = {
        "server.py": b"import cosyvoice_server.program\n",
        "cosyvoice_server/__init__.py": b"",
        "cosyvoice_server/program.py": engines.FIXED_SERVER.encode(),
    }
    package = str(Path(engines.SERVER).with_name("cosyvoice_server"))
    name = lab.start("cosyvoice", "--restart", "always")
    assert lab.post(name, 50000, "/inference_zero_shot") == b""
    cure = lab.doctor(name, "cosyvoice", files=files).visit(check_mode=False)
    assert cure.actions == (f"write {package} in {name}", f"replace {engines.SERVER} in {name}", f"restart {name}")
    assert cure.report["findings"][0]["verified"] is True
    assert len(lab.post(name, 50000, "/inference_zero_shot")) > 0
    assert lab.doctor(name, "cosyvoice", files=files).visit(check_mode=False).actions == ()

    docker("exec", name, "rm", "-r", package)
    docker("restart", "--time", "1", name)
    wait_for(lambda: "No module named 'cosyvoice_server'" in logs(name))
    cure = lab.doctor(name, "cosyvoice", files=files).visit(check_mode=False)
    assert found(cure) == ["server-package-missing"]
    assert cure.actions == (f"write {package} in {name}", f"restart {name}")
    assert len(lab.post(name, 50000, "/inference_zero_shot")) > 0


def wheel(folder: Path) -> Path:
    """A wheel of the name and version that the catalogue asks for."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "matcha_tts-0.0.7.2-py3-none-any.whl", "w") as archive:
        info = "matcha_tts-0.0.7.2.dist-info"
        archive.writestr("matcha/__init__.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: matcha-tts\nVersion: 0.0.7.2\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return folder


@pytest.mark.parametrize("policy", ["no", "always"])
def test_a_missing_package_is_installed_though_the_container_does_not_run(lab: Lab, policy: str) -> None:
    pip = Pip(wheel_dir=str(wheel(lab.folder / "wheels")))
    name = lab.start("cosyvoice", "--env", "NEEDS_MATCHA=1", "--restart", policy)
    wait_for(lambda: "No module named 'matcha'" in logs(name))
    wait_for(lambda: policy == "no" or lab.state(name)["RestartCount"] >= 2)
    docker("cp", str(_write(lab, engines.FIXED_SERVER)), f"{name}:{engines.SERVER}")

    plan = lab.doctor(name, "cosyvoice", pip=pip).visit(check_mode=True)
    visit = lab.doctor(name, "cosyvoice", pip=pip).visit(check_mode=False)
    assert visit.actions == plan.actions == (f"install matcha-tts==0.0.7.2 in {name}", f"restart {name}")
    (finding,) = visit.report["findings"]
    assert (finding["id"], finding["verified"]) == ("matcha-missing", True)
    assert [entry["id"] for entry in finding["consequences"]] == [
        "package-missing",
        "restart-loop" if policy == "always" else "container-ended",
    ]
    assert len(lab.post(name, 50000, "/inference_zero_shot")) > 0


def _write(lab: Lab, content: str) -> Path:
    path = lab.folder / "server-by-hand.py"
    path.write_text(content)
    return path


def test_a_cure_that_helped_is_used_again_but_not_for_ever(lab: Lab) -> None:
    name = lab.start("duix", "--volume", f"{lab.prefix}-data:/code/data")
    outcomes = []
    for _ in range(3):
        lab.post(name, 8383, "/easy/submit")
        visit = lab.doctor(name, "duix", cures_per_hour=2).visit(check_mode=False)
        outcomes.append((visit.report["state"], visit.report["findings"][0]["outcome"]))
        docker("exec", name, "rm", "-rf", "/code/data/result")
    assert outcomes == [("healthy", "applied"), ("healthy", "applied"), ("given_up", "given_up")]


def test_faults_that_hide_behind_each_other_are_cured_in_one_visit(lab: Lab) -> None:
    """No matcha, so the server never listens; and once it does, it is the unpatched one."""
    pip = Pip(wheel_dir=str(wheel(lab.folder / "wheels")))
    name = lab.start("cosyvoice", "--env", "NEEDS_MATCHA=1", "--restart", "unless-stopped")
    wait_for(lambda: "No module named 'matcha'" in logs(name))
    visit = lab.doctor(name, "cosyvoice", pip=pip).visit(check_mode=False)
    assert found(visit) == ["matcha-missing", "invalid-file-tensor"]
    assert all(finding["verified"] for finding in visit.report["findings"])
    assert visit.report["healthy"]
    assert len(lab.post(name, 50000, "/inference_zero_shot")) > 0
    again = lab.doctor(name, "cosyvoice", pip=pip).visit(check_mode=False)
    assert (again.actions, found(again)) == ((), [])


def test_a_fault_without_its_cause_is_closed(lab: Lab) -> None:
    """Its lines stay in the log; but somebody has made the folders, so nothing is done and nothing reported again."""
    name = lab.start("duix", "--volume", f"{lab.prefix}-data:/code/data")
    lab.post(name, 8383, "/easy/submit")
    docker("exec", name, "mkdir", "/code/data/result", "/code/data/temp", "/code/data/log")
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    assert (found(visit), visit.actions, visit.report["healthy"]) == (["param-json"], (), True)
    assert found(lab.doctor(name, "duix").visit(check_mode=False)) == []


def test_an_unavailable_package_is_reported(lab: Lab) -> None:
    (lab.folder / "empty").mkdir()
    pip = Pip(wheel_dir=str(lab.folder / "empty"))
    name = lab.start("cosyvoice", "--env", "NEEDS_MATCHA=1")
    wait_for(lambda: "No module named 'matcha'" in logs(name))
    visit = lab.doctor(name, "cosyvoice", pip=pip).visit(check_mode=False)
    (finding,) = visit.report["findings"]
    assert (finding["outcome"], finding["applied"], finding["verified"]) == ("failed", False, False)
    assert "matcha-tts" in finding["detail"]
    assert not visit.report["healthy"]


def test_a_broken_download_is_dropped_and_nothing_else(lab: Lab) -> None:
    volume = f"{lab.prefix}-cache"
    cache = f"{volume}:/root/.cache/modelscope"
    hub = "/root/.cache/modelscope/hub"
    folders = f"{hub}/iic/CosyVoice-300M {hub}/pengzhendong/wetext"
    fill = f"mkdir -p {folders}; for folder in {folders}; do touch $folder/llm.pt; done"
    docker("run", "--rm", "--volume", cache, lab.image, "sh", "-c", fill)
    name = lab.start("cosyvoice", "--volume", cache)
    wait_for(lambda: "PytorchStreamReader" in logs(name))
    docker("cp", str(_write(lab, engines.FIXED_SERVER)), f"{name}:{engines.SERVER}")
    visit = lab.doctor(name, "cosyvoice").visit(check_mode=False)
    (finding,) = visit.report["findings"]
    assert (finding["id"], finding["verified"]) == ("model-incomplete", True)
    assert docker("exec", name, "ls", f"{hub}/iic/CosyVoice-300M") == ""
    assert docker("exec", name, "ls", f"{hub}/pengzhendong/wetext") == "llm.pt"


def test_a_model_folder_of_the_users_own_is_never_touched(lab: Lab) -> None:
    model = lab.folder / "model"
    model.mkdir()
    (model / "llm.pt").write_text("mine")
    complaint = TRACEBACK.format("RuntimeError: PytorchStreamReader failed reading zip archive: x")
    command = f"printf '{complaint}'; exit 1 # --model_dir /models/mine"
    name = lab.start("cosyvoice", "--volume", f"{model}:/models/mine", command=command)
    wait_for(lambda: lab.state(name)["State"]["ExitCode"] == 1)
    visit = lab.doctor(name, "cosyvoice").visit(check_mode=False)
    (finding,) = visit.report["findings"]
    assert (finding["outcome"], visit.actions) == ("impossible", ())
    assert "never touched" in finding["detail"]
    assert (model / "llm.pt").read_text() == "mine"


def test_duix_gets_its_missing_folders_without_a_restart(lab: Lab) -> None:
    name = lab.start("duix", "--volume", f"{lab.prefix}-data:/code/data")
    assert b"9999" in lab.post(name, 8383, "/easy/submit")
    started = lab.state(name)["State"]["StartedAt"]
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    assert visit.actions == tuple(f"create /code/data/{folder} in {name}" for folder in ("result", "temp", "log"))
    (finding,) = visit.report["findings"]
    assert (finding["id"], finding["verified"]) == ("param-json", True)
    assert b"10000" in lab.post(name, 8383, "/easy/submit")
    assert lab.state(name)["State"]["StartedAt"] == started
    assert found(lab.doctor(name, "duix").visit(check_mode=False)) == []


@pytest.fixture
def listener() -> socket.socket:
    """Another program that listens on a port."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def test_a_port_used_by_a_foreign_program_is_named_and_left_alone(lab: Lab, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    name = f"{lab.prefix}-duix"
    docker("create", "--name", name, "--publish", f"{port}:8383", lab.image, "python3", engines.DUIX)
    docker("start", name, check=False)
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    (finding,) = visit.report["findings"]
    assert (finding["id"], finding["outcome"], visit.actions) == ("port-taken", "impossible", ())
    assert "python" in finding["detail"]
    assert str(port) in finding["detail"]
    listener.close()


def test_an_old_container_of_ours_frees_its_port(lab: Lab) -> None:
    old = lab.start("duix", "--publish", "8383", "--restart", "always", name=f"{lab.prefix}-old")
    port = docker("port", old, "8383").splitlines()[0].rsplit(":", 1)[1]
    name = f"{lab.prefix}-duix"
    docker("create", "--name", name, "--publish", f"{port}:8383", lab.image, "python3", engines.DUIX)
    docker("start", name, check=False)
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    assert visit.report["findings"][0]["verified"] is True
    assert not lab.state(old)["State"]["Running"]
    assert lab.state(name)["State"]["Running"]


def test_a_container_is_recreated_with_more_shared_memory_and_loses_nothing(lab: Lab) -> None:
    network = f"{lab.prefix}-net"
    docker("network", "create", network)
    docker("network", "create", f"{network}-2")
    name = lab.start(
        "duix", "--volume", f"{lab.prefix}-data:/code/data", "--volume", "/anonymous", "--network", network,
        "--network-alias", "talking-head", "--env", "TOKEN=a b=c", "--label", "mine=yes", "--restart", "unless-stopped",
        "--hostname", "duix", "--publish", "127.0.0.1::8383", "--memory", "512m", "--shm-size", "64m",
        command=f"echo {SHM}; exec python3 {engines.DUIX}",
    )  # fmt: skip
    docker("network", "connect", "--alias", "second", f"{network}-2", name)
    docker("exec", name, "sh", "-c", "echo kept > /written; echo kept > /anonymous/file; echo kept > /code/data/file")
    lab.post(name, 8383, "/")  # it listens
    before = lab.state(name)
    plan = lab.doctor(name, "duix").visit(check_mode=True)
    visit = lab.doctor(name, "duix", verify_timeout=5).visit(check_mode=False)
    assert visit.actions == plan.actions == (f"recreate {name} with ShmSize 8589934592",)
    after = lab.state(name)
    assert after["Id"] != before["Id"]
    assert after["HostConfig"]["ShmSize"] == 8 << 30
    for key in ("PortBindings", "RestartPolicy", "Memory", "NetworkMode"):
        assert after["HostConfig"][key] == before["HostConfig"][key]
    for key in ("Env", "Labels", "Cmd", "Hostname"):
        assert after["Config"][key] == before["Config"][key]
    aliases = {name: set(settings["Aliases"] or []) for name, settings in after["NetworkSettings"]["Networks"].items()}
    assert "talking-head" in aliases[network]
    assert "second" in aliases[f"{network}-2"]
    assert docker("exec", name, "cat", "/written", "/anonymous/file", "/code/data/file").split() == ["kept"] * 3
    assert docker("ps", "--all", "--quiet", "--filter", f"name={name}.before").split() == []


def test_a_recreation_that_fails_brings_the_old_container_back(lab: Lab) -> None:
    name = lab.start("duix", command=f"echo {SHM}; exec python3 {engines.DUIX}")
    lab.post(name, 8383, "/")  # it listens
    before = lab.state(name)["Id"]
    catalogue_image = "doctor-test:there-is-no-such-image"
    with pytest.raises(DockerError):
        recreate(Docker(Commands()), name, Changes(host={"Runtime": "no-such-runtime"}))
    assert lab.state(name)["Id"] == before
    assert lab.state(name)["State"]["Running"]
    with pytest.raises(DockerError):
        recreate(Docker(Commands()), name, Changes(image=catalogue_image))
    assert lab.state(name)["Id"] == before


def test_cures_that_do_not_help_end(lab: Lab) -> None:
    """A fault that comes back after each cure is treated so many times, then left in a clear state."""
    fault = TRACEBACK.format("TypeError: Invalid file: tensor([[ 1")
    name = lab.start("cosyvoice", command=f"printf '{fault}'; trap exit TERM; sleep 600 & wait")
    wait_for(lambda: "tensor" in logs(name))

    def visit() -> Visit:
        return lab.doctor(name, "cosyvoice", verify_timeout=3, cures_per_hour=2).visit(check_mode=False)

    first = visit()
    assert (first.report["state"], first.report["findings"][0]["verified"]) == ("faulty", False)
    again = visit()
    assert (again.report["state"], again.report["findings"][0]["outcome"], again.actions) == (
        "given_up",
        "already_tried",
        (),
    )
    docker("restart", "--time", "0", name)
    second = visit()
    assert second.actions == (f"restart {name}",)
    docker("restart", "--time", "0", name)
    last = visit()
    assert (last.report["state"], last.report["findings"][0]["outcome"], last.actions) == ("given_up", "given_up", ())
    assert last.report["cures"] == {"tried_total": 2, "failed_total": 2, "limit_per_hour": 2}


@pytest.mark.parametrize("policy", ["no", "unless-stopped"])
def test_a_stopped_container_stays_stopped(lab: Lab, policy: str) -> None:
    name = lab.start("duix", "--restart", policy)
    docker("stop", "--time", "0", name)
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    assert (found(visit), visit.actions) == (["container-stopped"], ())
    assert not lab.state(name)["State"]["Running"]


def test_what_docker_could_not_start_at_boot_is_started(lab: Lab) -> None:
    """Docker tries once, finds that a device is not there yet, and leaves it at that."""
    device = lab.folder / "device"
    device.symlink_to("/dev/null")
    name = lab.start("duix", "--restart", "unless-stopped", "--device", f"{device}:/dev/late")
    docker("stop", "--time", "0", name)
    device.unlink()
    docker("start", name, check=False)
    state = lab.state(name)["State"]
    assert state["Status"] == "exited"
    assert "no such file" in state["Error"]
    device.symlink_to("/dev/null")
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    assert (found(visit), visit.actions) == (["device-late"], (f"restart {name}",))
    assert visit.report["healthy"]
    assert lab.state(name)["State"]["Error"] == ""


def test_a_container_without_policy_that_crashed_is_started(lab: Lab) -> None:
    name = lab.start("duix", command=f"[ -e /crashed ] && exec python3 {engines.DUIX}; touch /crashed; exit 3")
    wait_for(lambda: lab.state(name)["State"]["ExitCode"] == 3)
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    assert (found(visit), visit.actions) == (["container-ended"], (f"restart {name}",))
    assert visit.report["healthy"]
    assert visit.report["containers"][0]["status"] == "running"


def test_a_dead_engine_in_a_running_container_is_started(lab: Lab) -> None:
    """The old instructions' start line went on after the engine's end."""
    name = lab.start("duix", command=f"[ -e /gone ] && exec python3 {engines.DUIX}; touch /gone; sleep 600")
    wait_for(lambda: "sleep 600" in docker("top", name))
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    assert (found(visit), visit.actions) == (["engine-gone"], (f"restart {name}",))
    assert visit.report["healthy"]


def test_a_log_that_can_not_be_read_is_a_warning(lab: Lab) -> None:
    name = lab.start("duix", "--log-driver", "none")
    visit = lab.doctor(name, "duix").visit(check_mode=False)
    assert (found(visit), visit.report["healthy"]) == (["log-unreadable"], True)


def test_a_missing_container_is_reported(lab: Lab) -> None:
    visit = lab.doctor(f"{lab.prefix}-none", "duix").visit(check_mode=False)
    (finding,) = visit.report["findings"]
    assert (finding["id"], finding["outcome"]) == ("container-missing", "report_only")


def test_nothing_is_done_that_is_not_allowed(lab: Lab) -> None:
    name = lab.start("cosyvoice")
    lab.post(name, 50000, "/inference_zero_shot")
    visit = lab.doctor(name, "cosyvoice", allow=frozenset({"restart"})).visit(check_mode=False)
    assert (visit.actions, visit.report["findings"][0]["outcome"]) == ((), "not_allowed")
    assert lab.post(name, 50000, "/inference_zero_shot") == b""
