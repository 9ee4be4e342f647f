"""Where to save a file is asked in one way: the suffix is right, and nothing is replaced without a question."""

from pathlib import Path

import pytest
from qtpy import QtWidgets

from local_crystallography._napari.widgets.dialogs import ask_figure, ask_paper, ask_to_save
from local_crystallography.data.errors import InputError, writing
from local_crystallography.report.paper_style import PaperStyle

BUTTONS = QtWidgets.QMessageBox.StandardButton


@pytest.fixture
def answers(monkeypatch):
    """Answer the dialog with a path and a filter, and the question with a button."""

    def answer(path, chosen, button=BUTTONS.No):
        monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", lambda *_: (str(path), chosen))
        monkeypatch.setattr(QtWidgets.QMessageBox, "question", lambda *_: button)

    return answer


@pytest.mark.parametrize(
    ("answer", "chosen", "path"),
    [
        ("b", "SVG (*.svg)", "b.svg"),
        ("b.PDF", "PNG (*.png)", "b.PDF"),
        ("b.v2", "PNG (*.png)", "b.v2.png"),
        ("b.csv", "PNG (*.png)", "b.csv.png"),
    ],
)
def test_a_name_without_the_suffix_of_a_format_gets_one(tmp_path, answers, answer, chosen, path):
    answers(tmp_path / answer, chosen)
    assert ask_figure(None) == tmp_path / path


def test_cancelled(answers):
    answers("", "")
    assert ask_to_save(None, "Save", "a.csv") is None


@pytest.mark.parametrize(("button", "saved"), [(BUTTONS.Yes, True), (BUTTONS.No, False)])
def test_a_file_whose_name_is_made_here_is_replaced_only_after_a_question(tmp_path, answers, button, saved):
    """The dialog asked about `z0.5`, which does not exist; `z0.5.csv` does."""
    (tmp_path / "z0.5.csv").write_text("kept")
    answers(tmp_path / "z0.5", "CSV (*.csv)", button)
    assert ask_to_save(None, "Save", "a.csv") == (tmp_path / "z0.5.csv" if saved else None)


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    said = r"none/a.csv cannot be written \(No such file.*\); choose another location\."
    with pytest.raises(InputError, match=said), writing(tmp_path / "none/a.csv"):
        Path(tmp_path / "none/a.csv").write_text("x")


@pytest.mark.parametrize(
    ("answer", "chosen", "path", "style"),
    [
        ("b", "PDF, one column (*.pdf)", "b.pdf", PaperStyle()),
        ("b.svg", "SVG, two columns (*.svg)", "b.svg", PaperStyle(width="double")),
        ("b", "PNG, slide of 1920 pixels (*.png)", "b.png", PaperStyle(slide=1920)),
        ("b.pdf", "PNG, slide of 1920 pixels (*.png)", "b.pdf", PaperStyle()),
    ],
)
def test_a_figure_for_a_paper_has_the_width_chosen(tmp_path, answers, answer, chosen, path, style):
    answers(tmp_path / answer, chosen)
    assert ask_paper(None, "a.pdf") == (tmp_path / path, style)
