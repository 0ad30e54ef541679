"""A page as its browser sees it, and what the host is told: choosing, running, failing, leaving."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from engine.shot import Shot
from engine.wire.errors import EngineRefused
from engine.wire.messages import Accepted, Chosen, Ended, JobList, Jobs, Page, Reported, Review
from tests.jobs.place import CONSENT, FRAMES, read_exr, shot_of
from tests.web.hosting import Host, ask, hosted, longer, state_of, until
from tests.wire.engines import EngineProcess


def unsolved(work: Path, *settings: str) -> Shot:
    return msgspec.structs.replace(shot_of(work, "out", *settings), tracks="")


@pytest.fixture
def host(engine: EngineProcess, work: Path) -> Iterator[Host]:
    with hosted(engine, unsolved(work)) as host:
        yield host


def ended(host: Host) -> Ended:
    return host.last(Ended)


def picture(host: Host, query: str) -> np.ndarray:
    answer = ask(host, f"/api/picture?{query}")
    assert answer.status == 200, answer.body
    return np.asarray(cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED))


def test_what_is_chosen_is_run(host: Host, work: Path) -> None:
    state = until(host, lambda state: state["footage"] and state["people"])
    assert (state["title"], state["solved"], state["faces"]) == ("sh010", False, [])
    ask(host, "/api/find", {})
    state = until(host, lambda state: state["solved"] and state["work"]["outcome"])
    assert [face["frames"] for face in state["faces"]] == [3] and state["work"]["kind"] == "solve"
    assert list((work / "out/.faceplate").glob("*.tracks"))
    assert ask(host, "/api/face?number=1").headers["content-type"] == "image/png"
    ask(host, "/api/assign", {"face": "1", "identity": ""})
    assert ask(host, "/api/assign", {"face": "1", "identity": str(work / "grace")}).status == 200
    ask(host, "/api/change", {"name": "composite.opacity", "value": 0.5})
    assert not [reply for reply in host.replies if isinstance(reply, Chosen)]
    ask(host, "/api/run", {})
    assert ended(host).failure is None
    chosen = host.last(Chosen).shot
    assert chosen["composite"]["opacity"] == 0.5
    assert chosen["replace"] == [{"identity": str(work / "grace"), "face": "1", "swapper": ""}]
    kinds = [reply.event["type"] for reply in host.replies if isinstance(reply, Reported)]
    # It was solved already.
    assert kinds == ["started", "frame-done", "frame-done", "frame-done", "finished"]
    assert host.last(Accepted).job == ended(host).job
    assert (state_of(host)["over"], state_of(host)["work"]["written"]) == ("done", 3)
    assert ask(host, "/api/change", {"name": "mesh.shape", "value": 0.5}).plain["code"] == "over"


def test_pictures_are_the_plate_and_the_result_for_a_screen(host: Host, work: Path) -> None:
    linear = np.stack([read_exr(work / "plate/sh.1002.exr")[0][name] for name in "BGR"], 2).astype(np.float64)
    light = np.clip(linear, 0.0, 1.0)
    expected = np.round(255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055))
    plate, result = picture(host, "frame=1002&shows=plate"), picture(host, "frame=1002&shows=result")
    assert np.abs(plate - expected).max() <= 1
    matte = picture(host, "frame=1002&shows=matte")
    assert matte.shape == plate.shape[:2] and matte.max() == 255
    # Where the matte's 8 bits are 0 it may still be a little more.
    away = cv2.dilate(matte, np.ones((9, 9), np.uint8)) == 0
    np.testing.assert_array_equal(result[away], plate[away])
    assert np.abs(result.astype(int) - plate)[matte == 255].mean() > 5
    assert picture(host, "frame=1002&shows=plate&width=100").shape == (100, 100, 3)


def test_a_photo_of_a_person_is_shown(host: Host, work: Path) -> None:
    until(host, lambda state: state["people"])
    answer = ask(host, f"/api/person?folder={work / 'grace'}")
    decoded = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape == (96, 96, 3)
    # A picture that is none of a kind that browsers have, and a file that is no picture.
    assert ask(host, f"/api/person?folder={work / 'plate'}").plain["code"] == "no-picture"


def test_people_and_their_consent(host: Host, work: Path) -> None:
    for name, consent in (("ada", CONSENT.replace("2999", "1999")), ("eve", None)):
        (work / "others" / name).mkdir(parents=True)
        (work / "others" / name / "a.jpg").write_bytes(b"no picture")
        if consent:
            (work / "others" / name / "consent.toml").write_text(consent)
    people = ask(host, "/api/people", {"folder": str(work / "others")}).plain["people"]
    assert [person["consent"] for person in people] == ["expired", "missing"]
    assert ask(host, f"/api/person?folder={work / 'others/eve'}").status == 409
    # The engine decides when it comes to it.
    ask(host, "/api/assign", {"face": "largest", "identity": str(work / "others/eve")})
    ask(host, "/api/run", {})
    state = until(host, lambda state: state["work"] and state["work"]["kind"] == "swap" and state["work"]["outcome"])
    assert state["work"]["failure"]["code"] == "consent" and not state["over"]
    # A run that fails ends only itself.
    ask(host, "/api/people", {"folder": str(work)})
    ask(host, "/api/assign", {"face": "largest", "identity": str(work / "grace")})
    ask(host, "/api/run", {})
    assert ended(host).failure is None and sum(isinstance(reply, Chosen) for reply in host.replies) == 2


def test_frames_that_fail_leave_the_choice(engine: EngineProcess, work: Path) -> None:
    whole = (work / "plate/sh.1002.exr").read_bytes()
    (work / "plate/sh.1002.exr").write_bytes(whole[: len(whole) // 2])
    with hosted(engine, shot_of(work)) as host:
        for again in (False, True):
            ask(host, "/api/run", {})
            state = until(host, lambda state: state["work"] and state["work"]["outcome"])
            assert list(state["work"]["failed"].values()) == [[1002]] and not state["over"], again
        ask(host, "/api/accept", {})
        assert ended(host).failure is None and state_of(host)["over"] == "done"


def test_a_cancelled_run_can_be_begun_again(host: Host, work: Path) -> None:
    longer(work, 40)
    ask(host, "/api/run", {})
    assert ask(host, "/api/change", {"name": "mesh.shape", "value": 0.5}).plain["code"] == "busy"
    assert ask(host, "/api/run", {}).plain["code"] == "busy"
    until(host, lambda state: state["work"]["stage"] == "render")
    ask(host, "/api/cancel", {})
    state = until(host, lambda state: state["work"]["outcome"])
    assert state["work"]["outcome"] == "cancelled" and 0 < state["work"]["written"] < 40 and not state["over"]
    ask(host, "/api/run", {})
    assert ended(host).failure is None
    assert len(list((work / "out").glob("*.exr"))) == 40


def test_frames_narrow_what_is_rendered(engine: EngineProcess, work: Path) -> None:
    with hosted(engine, shot_of(work), frames="1003") as host:
        ask(host, "/api/run", {})
        assert ended(host).failure is None
        assert [path.name for path in (work / "out").glob("*.exr")] == ["sh.1003.exr"]


def test_other_solve_settings_need_other_faces(host: Host) -> None:
    ask(host, "/api/find", {})
    until(host, lambda state: state["solved"])
    ask(host, "/api/change", {"name": "solve.smoothing", "value": 2.0})
    until(host, lambda state: not state["solved"])
    ask(host, "/api/change", {"name": "solve.smoothing", "value": 1.0})
    assert until(host, lambda state: state["solved"])["faces"]


def test_a_page_that_is_left_ends_the_review(host: Host) -> None:
    until(host, lambda state: state["footage"])
    begun = time.monotonic()
    ask(host, "/api/leave", {})
    failure = ended(host).failure
    assert failure is not None and failure.code == "cancelled" and 2 < time.monotonic() - begun < 8
    host.wait(lambda: ask(host, "/api/state").status == 401, 20)


def test_a_page_that_is_loaded_again_goes_on(host: Host) -> None:
    ask(host, "/api/leave", {})
    state_of(host)
    time.sleep(4)
    assert state_of(host)["over"] == ""


@pytest.mark.slow
def test_silence_is_leaving_too(host: Host) -> None:
    state_of(host)
    begun = time.monotonic()
    failure = ended(host).failure
    assert failure is not None and failure.code == "cancelled" and 8 < time.monotonic() - begun < 20


def test_a_closed_page_does_not_stop_its_job(host: Host, work: Path) -> None:
    longer(work, 60)
    ask(host, "/api/run", {})
    ask(host, "/api/leave", {})
    assert ended(host).failure is None
    assert len(list((work / "out").glob("*.exr"))) == 60


def test_a_host_that_goes_leaves_its_job(engine: EngineProcess, host: Host, work: Path) -> None:
    longer(work, 40)
    ask(host, "/api/run", {})
    until(host, lambda state: state["work"]["stage"] == "render")
    host.close()
    assert until(host, lambda state: not state["host"])["work"]["outcome"] == ""
    state = until(host, lambda state: state["over"])
    assert (state["over"], state["work"]["written"]) == ("done", 40)
    with engine.client() as client:
        assert client.ask(Jobs(), JobList).jobs[-1].state == "done"


def test_a_recipe_that_makes_no_sense_gets_no_page(engine: EngineProcess) -> None:
    with engine.client() as client:
        for shot in ({"plte": {}}, {"seed": -1}):
            with pytest.raises(EngineRefused, match=next(iter(shot))):
                client.ask(Review(shot), Page)


def test_a_plate_that_is_not_there_is_said(engine: EngineProcess, work: Path) -> None:
    shot = msgspec.structs.replace(
        shot_of(work), plate=msgspec.structs.replace(shot_of(work).plate, path=str(work / "x"))
    )
    with hosted(engine, shot) as host:
        assert (
            until(host, lambda state: "footage" in state["problems"])["problems"]["footage"]["code"]
            == "plate-not-found"
        )


def test_previews_of_one_who_scrubs_give_way(host: Host) -> None:
    """Those that are overtaken say so; the last one comes."""
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda frame=frame: answers.append(ask(host, f"/api/picture?frame={frame}").status))
        for frame in FRAMES * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {200, 409} and 200 in answers
