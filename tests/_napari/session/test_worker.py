"""Jobs end, whatever happens in them: with a result, a sentence, or the best so far."""

import gc
import sys
import time

import pytest

from local_crystallography._napari.session.worker import (
    MANY,
    PUT_OFF,
    Hooks,
    Outcome,
    Report,
    Runner,
    Stop,
    run_once,
    run_steps,
)
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Progress
from local_crystallography.steps.segment import Segment


@pytest.fixture
def runner(qtbot):
    return Runner()


def run(qtbot, runner, session):
    with qtbot.waitSignal(runner.ended, timeout=5000) as ended:
        runner.start(session)
    assert not runner.running
    return ended.args[0]


def broken(error):
    def session(stop):
        yield Report("", Progress(0.0))
        raise error

    return session


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("shapes do not match"), "The step failed: shapes do not match"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "Use a smaller batch size"),
        (MemoryError(), "Use a smaller batch size"),
    ],
)
def test_a_runtime_error_ends_the_job_with_a_sentence(qtbot, runner, error, sentence):
    assert sentence in run(qtbot, runner, broken(error)).error


def test_an_error_nobody_thought_of_ends_the_job_too(qtbot, runner):
    assert run(qtbot, runner, broken(KeyError("z7"))).error == "'z7'"


@pytest.mark.parametrize("error", [None, KeyError("z7")])
def test_full_garbage_collections_wait_for_the_end_of_the_job(qtbot, runner, error):
    before, during = (700, 10, 10), []
    gc.set_threshold(*before)

    def session(stop):
        yield Report("", Progress(0.0))
        during.append(gc.get_threshold())
        if error:
            raise error

    run(qtbot, runner, session)
    assert during == [(700, 10, PUT_OFF)]
    assert gc.get_threshold() == before


@pytest.mark.parametrize(("modules", "passed_by"), [(MANY + 1, True), (MANY - 1, False)])
def test_what_a_job_loads_is_left_out_of_later_collections(qtbot, runner, monkeypatch, modules, passed_by):
    def session(stop):
        yield Report("", Progress(0.0))
        for number in range(modules):
            monkeypatch.setitem(sys.modules, f"loaded_by_the_job_{number}", gc)

    gc.unfreeze()
    run(qtbot, runner, session)
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert (frozen > 1000) == passed_by


def test_a_result_comes_back(qtbot, runner):
    assert run(qtbot, runner, lambda stop: run_once("Adding", lambda: 1 + 1)) == Outcome(2)


def test_bad_input_is_a_sentence(qtbot, runner):
    def bad():
        raise InputError("Seven came, eight was expected; add one.")

    assert run(qtbot, runner, lambda stop: run_once("", bad)).error == "Seven came, eight was expected; add one."


class Slow:
    """Stands for an analysis whose steps run until they are told to stop."""

    def __init__(self):
        self.ran = []

    def is_current(self, step):
        return False

    def stops_after(self, step):
        return False

    def apply(self, step):
        for i in range(1000):
            if (yield Progress(i / 1000)):
                self.ran.append(i)
                return
            time.sleep(0.005)


def session_on(slow, steps=2):
    hooks = Hooks(before=int, after=type, seen=len, file=lambda step: None)
    return lambda stop: run_steps(slow, (Segment(),) * steps, stop, hooks=hooks, again=True)


@pytest.mark.parametrize(("everything", "ran"), [(True, 1), (False, 2)])
def test_stop_keeps_the_best_so_far_and_ends_one_step_or_all(qtbot, runner, everything, ran):
    slow = Slow()

    def stop():
        if everything:
            runner.stop.everything.set()
        else:
            runner.stop.steps.add("segment")

    runner.reported.connect(lambda report: stop() if report.progress.fraction > 0 else None)
    assert run(qtbot, runner, session_on(slow)) == Outcome()
    assert len(slow.ran) == ran


def test_a_wish_to_stop_is_for_its_step_alone():
    stop = Stop()
    stop.steps.add("train_vae")
    assert stop.ends("train_vae")
    assert not stop.ends("encode")
    stop.everything.set()
    assert stop.ends("encode")


def test_a_second_start_is_ignored(qtbot, runner):
    slow = Slow()
    with qtbot.waitSignal(runner.ended, timeout=5000):
        runner.start(session_on(slow, 1))
        runner.start(broken(KeyError()))
        runner.stop.everything.set()
    assert len(slow.ran) == 1


def test_halt_waits_for_the_thread(qtbot, runner):
    runner.start(session_on(Slow()))
    qtbot.wait(100)
    start = time.monotonic()
    runner.halt()
    assert time.monotonic() - start < 2
    qtbot.waitUntil(lambda: not runner.running, timeout=2000)


def test_reports_are_few_enough_for_a_window(qtbot, runner):
    reports = []
    runner.reported.connect(reports.append)

    class Chatty(Slow):
        def apply(self, step):
            for i in range(100_000):
                yield Progress((i + 1) / 100_000)

    run(qtbot, runner, session_on(Chatty(), 1))
    assert len(reports) < 100
