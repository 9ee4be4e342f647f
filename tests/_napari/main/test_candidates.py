"""What Segment may take for columns, in pictures: where they are cut, what a click asks for, what is framed."""

import numpy as np
import pytest

from local_crystallography import Blobs, Network
from local_crystallography._napari.main.candidates import CandidateView, in_words, matching, zoom
from local_crystallography._napari.main.step_panel import standing
from local_crystallography._napari.widgets.form import StepForm
from local_crystallography.data.progress import finish
from local_crystallography.models.scale import Candidate
from local_crystallography.steps.segment import Segment


def candidate(sigma=3.0, bright=True, side=200, spacing=14.0, repetition=0.6):
    grid = np.arange(spacing / 2, side, spacing)
    yx = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    part = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    return Candidate(sigma, bright, 0.9, 0.7, repetition, 1.0, 0.2, 0, (0, 0), part, yx)


FOUND = [candidate(), candidate(5.5, bright=False), candidate(9.0), candidate(1.2)]


@pytest.fixture
def session(controller, monkeypatch):
    """An analysis whose Segment step has just found some candidates."""
    monkeypatch.setattr(Segment, "candidates", lambda step, image: FOUND)
    analysis = controller.active.analysis
    analysis.asked["segment"] = Segment()
    analysis.used["segment"] = Segment(contrast="bright", by=Network(sigma=3.0))
    return controller.active


@pytest.fixture
def view(controller, session, qtbot):
    form = StepForm(Segment())
    qtbot.addWidget(form)
    view = CandidateView(controller, form)
    qtbot.addWidget(view)
    controller.changed.connect(view.refresh)
    form.changed.connect(view.refresh)
    view.refresh()
    return view


@pytest.fixture
def looked(view, session, controller):
    session.after(Segment())
    controller.changed.emit()
    return view


def states(view):
    return [tile.state for tile in view.tiles]


def test_a_picture_is_a_square_with_about_twenty_columns():
    rows, columns = zoom(candidate())
    yx = candidate().yx
    inside = ((yx > (rows.start, columns.start)) & (yx < (rows.stop, columns.stop))).all(axis=1)
    assert rows.stop - rows.start == columns.stop - columns.start
    assert 12 <= inside.sum() <= 30


@pytest.mark.parametrize("few", [0, 1])
def test_a_part_with_hardly_a_column_has_a_picture(qtbot, few):
    one = candidate()
    alone = Candidate(3.0, True, 0.9, 0.7, 0.0, 1.0, 0.0, 0, (0, 0), one.part, one.yx[:few])
    rows, columns = zoom(alone)
    assert 0 <= rows.start < rows.stop <= 200
    assert 0 <= columns.start < columns.stop <= 200


def test_the_best_three_are_shown_and_the_one_taken_is_framed(looked):
    assert [tile.text() for tile in looked.tiles] == ["bright, 3.0 px", "dark, 5.5 px", "bright, 9.0 px"]
    assert states(looked) == ["taken", "", ""]
    assert all(tile.toolTip() for tile in looked.tiles)
    assert looked.show_button.isHidden()
    assert looked.auto.isHidden()


def test_a_click_asks_for_another_one_and_a_second_click_takes_it_back(looked, session):
    looked.tiles[1].click()
    assert looked.form.step() == Segment(contrast="dark", by=Network(sigma=5.5))
    assert standing(session, looked.form.step()).startswith("out of date")
    assert states(looked) == ["taken", "asked", ""]
    looked.tiles[0].click()
    assert looked.form.step() == Segment()
    assert states(looked) == ["taken", "", ""]


def test_auto_leaves_it_to_the_image_again(looked):
    looked.tiles[2].click()
    assert not looked.auto.isHidden()
    looked.auto.click()
    assert looked.form.step() == Segment()
    assert looked.auto.isHidden()


def test_the_pictures_stay_when_the_step_is_run_with_one_of_them(looked, session, controller):
    asked = Segment(contrast="dark", by=Network(sigma=5.5))
    session.analysis.used["segment"] = session.analysis.asked["segment"] = asked
    session.after(asked)
    controller.changed.emit()
    assert len(looked.tiles) == 3
    assert states(looked) == ["", "taken", ""]


def test_an_opened_session_looks_only_when_asked_to(view, session, controller, qtbot):
    assert not view.tiles
    assert not view.show_button.isHidden()
    view.show_button.click()
    qtbot.waitUntil(lambda: not controller.running, timeout=20_000)
    assert len(view.tiles) == 3
    assert states(view) == ["taken", "", ""]


def test_where_nothing_is_seen_it_says_so(view, session, controller, monkeypatch):
    monkeypatch.setattr(Segment, "candidates", lambda step, image: [])
    session.after(Segment())
    controller.changed.emit()
    assert not view.tiles
    assert view.words.text().startswith("No columns")


def test_blobs_have_no_candidates(view, session, controller):
    session.analysis.used["segment"] = Segment(by=Blobs(spacing=10), contrast="bright")
    controller.changed.emit()
    assert view.isHidden()


def test_candidates_of_another_image_are_not_shown(looked, session, controller, quick_analysis):
    finish(session.analysis.apply(Segment(by=Blobs())))
    session.analysis.used["segment"] = Segment(contrast="bright", by=Network(sigma=3.0))
    session.found = type(session.found)(object(), None, FOUND)
    controller.changed.emit()
    assert not looked.tiles


@pytest.mark.parametrize(
    ("contrast", "sigma", "found"), [("bright", 3.01, 0), ("dark", 3.0, None), ("bright", 3.3, None), (None, 3.0, None)]
)
def test_which_candidate_a_form_means(contrast, sigma, found):
    assert matching(FOUND, contrast, sigma) is (None if found is None else FOUND[found])


@pytest.mark.parametrize(
    ("repetition", "words"), [(0.6, "periodic, as in a crystal"), (0.1, "partly periodic"), (0.0, "hardly periodic")]
)
def test_regularity_is_said_in_words(repetition, words):
    assert f"are {words}" in in_words(candidate(repetition=repetition))
    assert "explain 70%" in in_words(candidate())


@pytest.mark.parametrize("dark", [True, False])
def test_a_picture_shows_the_image_the_circles_and_the_frame(looked, dark):
    looked.set_theme(dark)
    colours = set()
    image = looked.tiles[0].grab().toImage()
    for x in range(image.width()):
        for y in range(image.height()):
            colours.add(image.pixelColor(x, y).name())
    assert "#2a95ff" in colours
    assert len(colours) > 100
