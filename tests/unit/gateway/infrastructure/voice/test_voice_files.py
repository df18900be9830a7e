"""A voice's recording outlives everything but its deletion."""

import errno
from pathlib import Path

import pytest

from gateway.domain.naming import new_voice_id
from gateway.domain.storage import StorageError
from gateway.infrastructure.voice.voice_files import VoiceFiles


@pytest.fixture
def files(tmp_path: Path) -> VoiceFiles:
    return VoiceFiles(tmp_path)


def uploaded(files: VoiceFiles) -> str:
    voice_id = new_voice_id()
    received = files.incoming / "received"
    received.write_bytes(b"a recording")
    files.keep_upload(voice_id, received)
    return voice_id


def test_a_recorded_voice_is_kept_though_the_database_does_not_name_it(files: VoiceFiles) -> None:
    voice_id = uploaded(files)
    files.settle(voice_id)
    swept = files.sweep(set())
    assert (swept.removed, swept.unnamed) == (0, (voice_id,))
    assert files.upload(voice_id).read_bytes() == b"a recording"


def test_recordings_of_before_the_mark_are_kept(files: VoiceFiles) -> None:
    folder = files.upload(new_voice_id()).parent
    folder.mkdir()
    (folder / "upload").write_bytes(b"an older recording")
    assert files.sweep(set()).unnamed == (folder.name,)
    assert (folder / "upload").exists()


def test_what_was_never_recorded_goes(files: VoiceFiles) -> None:
    voice_id = uploaded(files)
    assert files.sweep(set()).removed == 1
    assert not files.upload(voice_id).parent.exists()


def test_what_was_recorded_in_the_last_instant_stays(files: VoiceFiles) -> None:
    voice_id = uploaded(files)
    assert files.sweep({voice_id}).removed == 0
    # From now on it is as good as any.
    assert files.sweep(set()).unnamed == (voice_id,)


def test_a_deletion_that_a_crash_cut_short_is_finished(files: VoiceFiles) -> None:
    voice_id = uploaded(files)
    files.settle(voice_id)
    files.mark_for_deletion(voice_id)
    assert files.sweep(set()).removed == 1
    assert not files.upload(voice_id).parent.exists()


def test_a_deletion_that_never_came_is_forgotten(files: VoiceFiles) -> None:
    voice_id = uploaded(files)
    files.settle(voice_id)
    files.mark_for_deletion(voice_id)
    files.sweep({voice_id})
    assert files.sweep(set()).unnamed == (voice_id,)


def test_empty_folders_go(files: VoiceFiles) -> None:
    files.upload(new_voice_id()).parent.mkdir()
    assert files.sweep(set()).removed == 1


def test_a_deletion_that_the_disk_cuts_off_is_finished_by_the_next_start(
    files: VoiceFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice_id = uploaded(files)
    files.settle(voice_id)
    files.mark_for_deletion(voice_id)

    def broken(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", broken)
        with pytest.raises(StorageError, match="storage_broken"):
            files.delete(voice_id)
    assert files.sweep(set()).removed == 1
    assert not files.upload(voice_id).parent.exists()
