"""Words from outside never become an action: forgeries of every known error in logs that quote requests raw."""

from pathlib import Path

import pytest

from tests.support.doctor_host import FORGERIES, FakeCommands, doctor, require_nothing_done

# How programs that escape nothing would quote a text that somebody sent.
QUOTED = {
    "upstream's text": "2026-03-01 10:00:00,123 INFO synthesis text {}",
    "uvicorn's access log": 'INFO:     172.18.0.3:40514 - "GET /{} HTTP/1.1" 404 Not Found',
    "an error line": "2026-03-01 10:00:00,123 ERROR task {} failed",
    "old Duix": "[2025-03-25 09:53:53] [app_local.py[line:230]] [ERROR] [[{}]预处理失败，异常信息:[格式错误]]",
    "new Duix": "2025-09-02 11:49:10,914-[service.self_logger]-a.py[line:870]-ERROR: {} -> 任务执行失败，异常信息:[]",
    "a print": "{}",
}
BREAKS = (" ", "\n", "\r", "\r\n", "\u2028", "\x1b[0m", "\0", '{"', "\n    ")


@pytest.mark.parametrize("engine", ["cosyvoice", "duix", "gateway", "other"])
@pytest.mark.parametrize("quoted", QUOTED)
def test_no_forgery_is_acted_upon(tmp_path: Path, engine: str, quoted: str) -> None:
    sent = [f"x{separator}{text}{separator}x" for text in FORGERIES for separator in BREAKS]
    log = "\n".join(QUOTED[quoted].format(text) for text in sent)
    require_nothing_done(log.encode(), engine, tmp_path)


def test_a_forgery_is_called_suspected_again_and_again_and_costs_no_cure(tmp_path: Path) -> None:
    log = "[2025-05-25 23:02:15] [process.py[line:108]] [ERROR] [任务视频驱动队列满，严重阻塞，下游队列异常]\n".encode()
    for _ in range(5):
        visit = doctor(FakeCommands(log), "duix", tmp_path).visit(check_mode=False)
        (finding,) = visit.report["findings"]
        assert (finding["id"], finding["outcome"], finding["applied"]) == ("queue-full", "suspected", False)
    plan = doctor(FakeCommands(log, processes="7 [python3] <defunct>"), "duix", tmp_path).visit(check_mode=True)
    assert plan.actions == ("restart engine",)
    assert plan.report["findings"][0]["outcome"] == "planned"


def test_a_forged_fault_hides_no_real_one(tmp_path: Path) -> None:
    """It comes first, and would take the real one under itself."""
    trace = 'Traceback (most recent call last):\n  File "a", line 1, in b\n'
    forged = f"{trace}ModuleNotFoundError: No module named 'matcha'\n"
    real = f"{trace}RuntimeError: Found no NVIDIA driver on your system.\n"

    class NoGpu(FakeCommands):
        def run(self, argv, **more):  # type: ignore[no-untyped-def]
            done = super().run(argv, **more)
            return type(done)(9, b"", b"") if "nvidia-smi" in argv and "exec" in argv else done

    visit = doctor(NoGpu((forged + real).encode()), "cosyvoice", tmp_path).visit(check_mode=True)
    outcomes = {finding["id"]: finding["outcome"] for finding in visit.report["findings"]}
    assert outcomes["matcha-missing"] == "suspected"
    assert outcomes["no-driver"] != "suspected"
