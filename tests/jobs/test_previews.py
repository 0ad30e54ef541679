"""Previews by an engine in another process: what a job would write, through shared memory, the newest first."""

import os
import time
from pathlib import Path

import msgspec
import numpy as np
import OpenEXR
import pytest

from engine import recipe
from engine.shot import Plate, Shot
from engine.wire.client import Client
from engine.wire.errors import EngineRefused, EngineSilent
from engine.wire.frames import attach
from engine.wire.messages import (
    Done,
    Ended,
    Failure,
    JobList,
    Jobs,
    Lease,
    Leased,
    Preview,
    Previewed,
    Release,
    Reply,
    State,
    Status,
    Submit,
    Superseded,
    Swap,
)
from tests.jobs.place import FRAMES, LAYERS, Record, read_exr, read_layers, shot_of
from tests.wire.engines import EngineProcess

SIDE = 272


def preview(shot: Shot, frame: int = FRAMES[0], **options) -> Preview:
    return Preview(msgspec.to_builtins(shot), frame, **options)


def look(client: Client, request: Preview) -> tuple[Previewed, np.ndarray]:
    """Ask for a preview, copy what it shows, and release it."""
    told = client.ask(request, Previewed)
    picture = attach(told, told, writing=False).copy()
    client.ask(Release(told.lease), Done)
    return told, picture


def picture_of(path: Path) -> np.ndarray:
    channels = read_exr(path)[0]
    return np.stack([channels[name] for name in "RGBA"], axis=2).astype(np.float32)


def aged(work: Path) -> Path:
    """As if the files had been there for a while: only then the engine trusts that they do not change."""
    while time.time() - max(path.stat().st_ctime for path in work.rglob("*")) < 2.1:
        time.sleep(0.1)
    return work


def set_in(shot: Shot, *settings: str) -> Shot:
    return recipe.with_settings(shot, settings)


def test_a_preview_is_what_the_job_writes(client: Client, whole: tuple[Path, Record], work: Path) -> None:
    for frame in FRAMES:
        told, picture = look(client, preview(shot_of(work), frame))
        assert (told.faces, told.solved, told.frame, told.colorspace) == (1, "shot", frame, "Linear Rec.709 (sRGB)")
        np.testing.assert_array_equal(picture, picture_of(whole[0] / f"sh.{frame}.exr"))


def test_the_plate_and_the_matte(client: Client, whole: tuple[Path, Record], work: Path) -> None:
    shot = shot_of(work)
    _, plate = look(client, preview(shot, shows="plate"))
    np.testing.assert_array_equal(plate, picture_of(work / "plate/sh.1001.exr"))
    told, matte = look(client, preview(shot, shows="matte"))
    assert (told.height, told.width, told.channels, told.pixel) == (SIDE, SIDE, 1, "float32")
    np.testing.assert_array_equal(matte[..., 0], read_layers(whole[0] / "sh.1001.exr")["matte.V"])


def test_a_plate_alone_needs_no_person(client: Client, work: Path) -> None:
    shot = msgspec.structs.replace(shot_of(work), replace=(), tracks="")
    look(client, preview(shot, shows="plate"))
    with pytest.raises(EngineRefused, match="replaces nobody"):
        client.ask(preview(shot), Previewed)


def test_a_preview_in_another_linear_space(client: Client, work: Path) -> None:
    shot = shot_of(work)
    own = look(client, preview(shot))[1]
    told, other = look(client, preview(shot, colorspace="ACEScg"))
    assert told.colorspace == "ACEScg"
    # Linear Rec.709 to ACEScg with Bradford's adaptation, as the ACES configurations have it.
    matrix = np.array([[0.6131, 0.3395, 0.0474], [0.0702, 0.9164, 0.0135], [0.0206, 0.1096, 0.8698]])
    np.testing.assert_allclose(other[..., :3], own[..., :3] @ matrix.T, atol=2e-4)
    np.testing.assert_array_equal(other[..., 3], own[..., 3])
    for name, message in (("ACEScct", "is not linear light"), ("Nowhere", "no colour space")):
        with pytest.raises(EngineRefused, match=message):
            client.ask(preview(shot, colorspace=name), Previewed)


def test_no_consent_no_preview(client: Client, work: Path) -> None:
    look(client, preview(shot_of(work)))
    (work / "grace/consent.toml").unlink()
    with pytest.raises(EngineRefused) as raised:
        client.ask(preview(shot_of(work)), Previewed)
    assert raised.value.failure.code == "consent"


def test_every_setting_shows(client: Client, work: Path) -> None:
    """What is kept from one preview is never shown for other settings."""
    aged(work)
    shot, seen = shot_of(work), []
    changes = [
        "composite.opacity=0.5", "composite.seam=0", "composite.grain=3", "matte.feather=0.2", "matte.grow=-0.1",
        "match.amount=0", "match.contrast=0", "mesh.shape=0", "mesh.brows=0", "mesh.eyes=0", "mesh.forehead=1",
        "view.exposure=3", "seed=7",
    ]  # fmt: skip
    for settings in [[], *([one] for one in changes)]:
        changed = set_in(shot, *settings)
        _, first = look(client, preview(changed))
        _, second = look(client, preview(changed))
        np.testing.assert_array_equal(first, second, err_msg=str(settings))
        seen.append(first.tobytes())
    assert len(set(seen)) == len(seen)
    _, again = look(client, preview(shot))
    assert again.tobytes() == seen[0]


def test_changed_settings_are_what_a_job_writes_with_them(client: Client, work: Path) -> None:
    aged(work)
    look(client, preview(shot_of(work)))
    settings = ("composite.opacity=0.7", "matte.feather=0.12", "match.contrast=0.2")
    changed = set_in(shot_of(work, "out"), *settings)
    _, picture = look(client, preview(changed))
    told = client.work(Swap(msgspec.to_builtins(changed), frames="1001"), lambda event: None)
    assert told == Ended(told.job)
    np.testing.assert_array_equal(picture, picture_of(work / "out/sh.1001.exr"))


def test_a_frame_that_was_written_anew_is_read_anew(client: Client, work: Path) -> None:
    aged(work)
    plate, other = work / "plate/sh.1001.exr", work / "plate/sh.1002.exr"
    _, before = look(client, preview(shot_of(work), shows="plate"))
    plate.write_bytes(other.read_bytes())
    _, after = look(client, preview(shot_of(work), shows="plate"))
    np.testing.assert_array_equal(after, picture_of(other))
    assert not np.array_equal(before, after)


def test_a_picture_that_was_added_to_a_person_counts(client: Client, work: Path) -> None:
    aged(work)
    look(client, preview(shot_of(work)))
    (work / "grace/grace_hopper.jpg").unlink()
    with pytest.raises(EngineRefused) as raised:
        client.ask(preview(shot_of(work)), Previewed)
    assert raised.value.failure.code == "identity"


def test_without_a_solve_the_frame_is_solved_alone(client: Client, work: Path) -> None:
    shot = msgspec.structs.replace(shot_of(work, "none"), tracks="")
    told, picture = look(client, preview(shot))
    assert (told.solved, told.faces) == ("frame", 1)
    one = msgspec.structs.replace(
        shot_of(work, "one"), tracks="", plate=msgspec.structs.replace(shot.plate, frames="1001")
    )
    assert client.work(Swap(msgspec.to_builtins(one)), lambda event: None).failure is None
    np.testing.assert_array_equal(picture, picture_of(work / "one/sh.1001.exr"))


def test_a_solve_of_the_shot_is_known_afterwards(client: Client, work: Path) -> None:
    aged(work)
    shot = msgspec.structs.replace(shot_of(work, "out"), tracks="")
    assert client.work(Swap(msgspec.to_builtins(shot), frames="1003"), lambda event: None).failure is None
    assert look(client, preview(shot))[0].solved == "shot"
    elsewhere = msgspec.structs.replace(shot, output=msgspec.structs.replace(shot.output, path=""))
    assert look(client, preview(elsewhere))[0].solved == "shot"


def test_the_second_job_on_a_plate_needs_no_second_solve(client: Client, work: Path) -> None:
    aged(work)
    stages: list[list[str]] = []
    for output in ("first", "second"):
        shot = msgspec.structs.replace(shot_of(work, output), tracks="")
        told: list = []
        assert client.work(Swap(msgspec.to_builtins(shot)), told.append).failure is None
        stages.append([one.event["stage"] for one in told if one.event["type"] == "progress"])
    assert "solve" in stages[0] and "solve" not in stages[1]
    for name in ("sh.1001.exr", "sh.1003.exr"):
        assert (work / "first" / name).read_bytes() == (work / "second" / name).read_bytes()
    tracks = [next((work / output / ".faceplate").iterdir()).read_bytes() for output in ("first", "second")]
    assert tracks[0] == tracks[1]


def test_a_frame_without_a_face_is_the_plate(client: Client, work: Path) -> None:
    shot = msgspec.structs.replace(shot_of(work), tracks="")
    asked = Lease(SIDE, SIDE, 4, "float32")
    grey = np.full((SIDE, SIDE, 4), 0.18, np.float32)
    told, picture = look(client, preview(shot, source=submitted(client, asked, grey)))
    assert told.faces == 0
    np.testing.assert_array_equal(picture, grey)


def submitted(client: Client, asked: Lease, pixels: np.ndarray) -> str:
    leased = client.ask(asked, Leased)
    attach(asked, leased)[...] = pixels
    client.ask(Submit(leased.lease), Done)
    return leased.lease


def test_who_is_not_in_a_frame_leaves_the_others_alone(client: Client, work: Path) -> None:
    """Of two that are asked for, one is there, in a frame that is solved alone."""
    one = msgspec.structs.replace(shot_of(work), tracks="")
    two = msgspec.structs.replace(one, replace=(*one.replace, msgspec.structs.replace(one.replace[0], face="2")))
    first, second = look(client, preview(one)), look(client, preview(two))
    assert second[0].faces == 1
    np.testing.assert_array_equal(first[1], second[1])


def test_a_still_picture_has_its_face_in_every_frame(client: Client, work: Path) -> None:
    shot = msgspec.structs.replace(shot_of(work), tracks="")
    lease = submitted(client, Lease(SIDE, SIDE, 4, "float32"), picture_of(work / "plate/sh.1001.exr"))
    assert [look(client, preview(shot, frame, source=lease))[0].faces for frame in (1, 2, 1001)] == [1, 1, 1]
    client.ask(Release(lease), Done)


def test_a_frame_replaced_with_its_time_is_read_anew(client: Client, work: Path) -> None:
    aged(work)
    plate, shot = work / "plate/sh.1001.exr", msgspec.structs.replace(shot_of(work), replace=())
    stat, old = plate.stat(), plate.read_bytes()
    before = look(client, preview(shot, shows="plate"))[1]
    # As cp -p does it: the same file, the same size, the same time of change; only its pixels are others.
    at = old.index(b"\x78", len(old) // 2)
    plate.write_bytes(old[:at] + bytes([old[at] ^ 1]) + old[at + 1 :])
    os.utime(plate, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert plate.stat().st_mtime_ns == stat.st_mtime_ns
    with pytest.raises(EngineRefused, match="damaged"):
        look(client, preview(shot, shows="plate"))
    assert before.any()


def test_a_preview_that_comes_too_late_is_released(engine: EngineProcess, work: Path) -> None:
    with engine.client(patience=10.0) as client:
        client._patience = 0.0
        for _ in range(3):
            with pytest.raises(EngineSilent):
                client.ask(preview(shot_of(work)), Previewed)
        client._patience = 10.0
        end = time.monotonic() + 20
        state = client.ask(Status(), State)
        while state.previews and time.monotonic() < end:
            time.sleep(0.1)
            state = client.ask(Status(), State)
        time.sleep(0.2)
        client.ask(Status(), State)
        # As many as one client may have at once.
        leases = [client.ask(Lease(8, 8, 4, "float32"), Leased).lease for _ in range(32)]
        assert len(set(leases)) == 32


def test_a_size_that_cannot_be_handed_over_is_refused_before_it_is_made(client: Client, work: Path) -> None:
    large = np.zeros((6144, 6144), np.float16)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    (work / "large").mkdir()
    OpenEXR.File(header, {name: large for name in "RGB"}).write(str(work / "large/l.1.exr"))
    shot = msgspec.structs.replace(shot_of(work), plate=Plate(path=str(work / "large")))
    start = time.monotonic()
    with pytest.raises(EngineRefused, match="--memory"):
        client.ask(preview(shot, 1, shows="plate"), Previewed)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_from_memory_goes_in_and_out(client: Client, work: Path, channels: int) -> None:
    """The same as the frame in a file, when it has the same tracks."""
    asked = Lease(SIDE, SIDE, channels, "float16", "Linear Rec.709 (sRGB)")
    lease = submitted(client, asked, picture_of(work / "plate/sh.1001.exr")[..., :channels])
    from_file = look(client, preview(shot_of(work)))[1]
    told, from_memory = look(client, preview(shot_of(work), source=lease))
    assert told.faces == 1
    np.testing.assert_array_equal(from_memory, from_file)
    alone = msgspec.structs.replace(shot_of(work), tracks="")
    assert look(client, preview(alone, source=lease))[0].solved == "frame"
    client.ask(Release(lease), Done)


def test_pictures_can_be_bottom_up_both_ways(client: Client, work: Path) -> None:
    pixels = picture_of(work / "plate/sh.1001.exr")
    asked = Lease(SIDE, SIDE, 4, "float32", "Linear Rec.709 (sRGB)")
    lease, turned = submitted(client, asked, pixels), submitted(client, asked, pixels[::-1])
    for shows in ("result", "matte"):
        down = look(client, preview(shot_of(work), shows=shows, source=lease))
        up = look(client, preview(shot_of(work), shows=shows, source=turned, rows="up", rgba=True))
        assert up[0].faces == down[0].faces == 1 and up[1].shape == (SIDE, SIDE, 4)
        np.testing.assert_array_equal(up[1][::-1], np.broadcast_to(down[1], up[1].shape))


def test_pictures_that_are_none(client: Client, work: Path) -> None:
    asked = Lease(32, 32, 2, "float32")
    lease = submitted(client, asked, np.zeros((32, 32, 2), np.float32))
    unsubmitted = client.ask(Lease(32, 32, 4, "float32"), Leased).lease
    named = submitted(client, Lease(32, 32, 4, "float32", "no such space"), np.zeros((32, 32, 4), np.float32))
    for source, code in ((lease, "lease"), (unsubmitted, "lease"), ("made up", "lease"), (named, "color")):
        with pytest.raises(EngineRefused) as raised:
            client.ask(preview(shot_of(work), source=source), Previewed)
        assert raised.value.failure.code == code
    for held in (lease, unsubmitted, named):
        client.ask(Release(held), Done)


def test_frames_that_cannot_be_shown(client: Client, work: Path) -> None:
    (work / "plate/sh.1003.exr").write_bytes((work / "plate/sh.1003.exr").read_bytes()[:5000])
    for frame, code in ((1009, "frame-missing"), (1003, "frame-unreadable"), (-5, "frame-missing")):
        with pytest.raises(EngineRefused) as raised:
            client.ask(preview(shot_of(work), frame), Previewed)
        assert raised.value.failure.code == code
    with pytest.raises(EngineRefused, match="There is no setting"):
        client.ask(Preview({"plate": {"pth": "x"}}, 1), Previewed)


def test_while_scrubbing_only_the_newest_waits(engine: EngineProcess, work: Path) -> None:
    """A hundred in a row: each is answered, most of them by giving way, and the last one is shown."""
    link, shot, waiting = engine.link(), shot_of(work), {}
    for index in range(100):
        waiting[link.send(preview(shot, FRAMES[index % 3], scrub="viewer"))] = FRAMES[index % 3]
    last, answers = max(waiting), dict[int, Reply]()
    end = time.monotonic() + 30
    while not waiting.keys() <= answers.keys() and time.monotonic() < end:
        for number, reply in link.poll(0.1):
            answers[number] = reply
            if isinstance(reply, Previewed):
                assert reply.frame == waiting[number]
                link.send(Release(reply.lease))
    link.close()
    assert waiting.keys() <= answers.keys()
    given = [number for number in waiting if isinstance(answers[number], Previewed)]
    assert last in given and len(given) < 50
    assert all(isinstance(answers[number], Superseded) for number in waiting if number not in given)


def test_two_who_scrub_do_not_take_each_other_s_place(engine: EngineProcess, work: Path) -> None:
    links = [engine.link() for _ in range(2)]
    shot, sent = shot_of(work), []
    for index in range(30):
        sent.append([link.send(preview(shot, FRAMES[index % 3], scrub="viewer")) for link in links])
    for link, last in zip(links, sent[-1], strict=True):
        answers: dict[int, Reply] = {}
        end = time.monotonic() + 30
        while last not in answers and time.monotonic() < end:
            answers |= dict(link.poll(0.1))
        assert isinstance(answers[last], Previewed)
        link.close()


def test_previews_go_before_jobs(engine: EngineProcess, client: Client, work: Path) -> None:
    """Three jobs wait for the device, and a preview does not wait for them."""
    look(client, preview(shot_of(work)))
    links = [engine.link() for _ in range(3)]
    for number, link in enumerate(links):
        link.send(Swap(msgspec.to_builtins(shot_of(work, f"out{number}", *LAYERS)), redo=True))
    look(client, preview(shot_of(work), FRAMES[1]))
    states = [job.state for job in client.ask(Jobs(), JobList).jobs[-3:]]
    assert states.count("waiting") + states.count("running") >= 2
    for link in links:
        while not any(isinstance(reply, Ended) for _, reply in link.poll(30)):
            pass
        link.close()


def test_whoever_has_gone_holds_no_picture(engine: EngineProcess, client: Client, work: Path) -> None:
    before = client.ask(Status(), State).leased
    for _ in range(5):
        link = engine.link()
        for index in range(4):
            link.send(preview(shot_of(work), FRAMES[index % 3]))
        time.sleep(0.05)
        link.close()
    end = time.monotonic() + 20
    state = client.ask(Status(), State)
    while (state.leased > before or state.previews or state.clients > 1) and time.monotonic() < end:
        time.sleep(0.1)
        state = client.ask(Status(), State)
    assert (state.leased <= before, state.previews, state.clients) == (True, 0, 1)


def test_what_is_kept_has_a_limit(client: Client, work: Path) -> None:
    aged(work)
    for shape in np.linspace(0, 1, 12):
        look(client, preview(set_in(shot_of(work), f"mesh.shape={shape}")))
    state = client.ask(Status(), State)
    assert 0 < state.kept < state.limit


def test_too_many_previews_are_refused(engine: EngineProcess, work: Path) -> None:
    link, shot = engine.link(), shot_of(work)
    numbers = {link.send(preview(shot)) for _ in range(120)}
    answers: dict[int, Reply] = {}
    end = time.monotonic() + 60
    while not numbers <= answers.keys() and time.monotonic() < end:
        for number, reply in link.poll(0.1):
            answers[number] = reply
            if isinstance(reply, Previewed):
                link.send(Release(reply.lease))
    link.close()
    refused = [reply for number, reply in answers.items() if isinstance(reply, Failure)]
    assert refused and all(reply.code == "too-many-previews" and reply.retry for reply in refused)
    assert sum(isinstance(reply, Previewed) for reply in answers.values()) >= 32
