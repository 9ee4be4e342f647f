"""A step goes into its form and comes out as it was."""

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography import (
    PCA,
    Blobs,
    Describe,
    GaussianMixture,
    Hdbscan,
    KMeans,
    Neighbours,
    PCAMixture,
    ZernikeMoments,
)
from local_crystallography._napari.main.step_panel import StepPanel
from local_crystallography._napari.widgets.fields import AutoNumber, PathBox
from local_crystallography._napari.widgets.form import MORE, ModelForm, StepForm
from local_crystallography.recipe import Recipe
from local_crystallography.steps.base import Step
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.segment import Segment
from local_crystallography.steps.train_vae import TrainVae
from local_crystallography.studies.windows import WindowStudy

ADVANCED = {"advanced": True}


class FitMotif(Step):
    """A step with every kind of field, two of them rarely needed."""

    needs: ClassVar = ()
    makes: ClassVar = "atoms"

    start: Path | None = Field(None, description="Start from this.")
    basis: Literal["harmonic", "pixel"] | None = Field(None, description="What it is made of.")
    width: int = Field(8, ge=1, le=99, description="How wide.", json_schema_extra=ADVANCED)
    rate: float | None = Field(None, ge=0.1, le=9, description="How fast.", json_schema_extra=ADVANCED)
    loss: Literal["l1", "l2"] | None = Field(None, description="What counts.", json_schema_extra=ADVANCED)
    log: Path | None = Field(None, description="Where to.", json_schema_extra=ADVANCED)
    quick: bool = Field(False, description="Whether to hurry.", json_schema_extra={"advanced": False})


FULL = FitMotif(
    start=Path("my models/größe 1.pt"), basis="pixel", width=3, rate=1 / 3, loss="l2", log=Path("/tmp/a"), quick=True
)


ODD = [
    Cluster(by=Hdbscan(min_size=0.0123), outliers=0.0123, period=4),
    Cluster(by=KMeans(start_from="hand_label", n_init=1000), zero="lattice"),
    Cluster(by=GaussianMixture(covariance="tied", valley=1 / 3, components=50)),
    Describe(methods=(PCA(components=0), Neighbours(neighbours=30), ZernikeMoments(order=20)), seed=3),
    Describe(methods=(PCAMixture(classes=30),)),
    FULL,
    FitMotif(start=Path("."), basis="harmonic", loss="l1"),
    Encode(correct_positions=True, angle="full circle"),
    ExtractSubImages(source="image and probability"),
    Segment(contrast="dark", by=Blobs(spacing=15.599999999999998, min_snr=0.5, min_relative_intensity=0.0123)),
    FindAtoms(threshold=1 / 3, smallest=10_000),
    ExtractSubImages(source="smoothed", window_size=512, smoothing=0.1, normalise="sub-image"),
    ExtractSubImages(window_size=8),
    TrainVae(learning_rate=1e-5, seed=2**31 - 1, rotation_prior=0.0123, detail=2, epochs=1),
    Cluster(columns=("z0", "angle_rad"), by=GaussianMixture(classes=1)),
    PaintMap(columns=("label",), reach=0.5),
]


@pytest.mark.parametrize("step", [*Recipe().steps, *ODD], ids=repr)
def test_every_step_survives_its_form(qtbot, step):
    form = StepForm(type(step)())
    qtbot.addWidget(form)
    form.set(step)
    assert form.step() == step


@pytest.mark.parametrize(
    "study", [WindowStudy(), WindowStudy(windows=(8, 512), sources=("smoothed", "probability"), seeds=(3, 0), epochs=7)]
)
def test_lists_of_numbers_and_words_survive_their_form(qtbot, study):
    form = ModelForm(WindowStudy(sources=("probability",)))
    qtbot.addWidget(form)
    form.set(study)
    assert form.model() == study
    assert all(box.toolTip() for box in form.fields["sources"].boxes.values())


@pytest.mark.parametrize(("text", "numbers"), [("24 32", (24, 32)), ("24;32,", (24, 32)), ("24, wide", None)])
def test_numbers_are_read_as_people_write_them(qtbot, text, numbers):
    form = ModelForm(WindowStudy())
    qtbot.addWidget(form)
    form.fields["windows"].setText(text)
    assert bool(form.problem()) == (numbers is None)
    assert numbers is None or form.model().windows == numbers


@pytest.mark.parametrize("step", ODD, ids=repr)
def test_defaults_come_back_after_other_values(qtbot, step):
    form = StepForm(step)
    qtbot.addWidget(form)
    form.set(type(step)())
    assert form.step() == type(step)()


@pytest.mark.parametrize("value", [1e-5, 0.0123, 0.003])
def test_a_small_number_is_shown_with_all_its_digits(qtbot, value):
    form = StepForm(TrainVae(learning_rate=value))
    qtbot.addWidget(form)
    assert float(form.fields["learning_rate"].text()) == value
    assert "e" not in form.fields["learning_rate"].text()


@pytest.mark.parametrize("step", [*Recipe().steps, FitMotif()], ids=lambda step: step.name())
def test_every_field_has_its_help(qtbot, step):
    form = StepForm(step)
    qtbot.addWidget(form)
    for name, widget in form.fields.items():
        assert type(step).model_fields[name].description in widget.toolTip()
    nested = list(form.findChildren(ModelForm))
    assert all(widget.toolTip() for part in nested for widget in part.fields.values())


def test_a_method_shows_its_own_parameters_and_keeps_those_of_the_others(qtbot):
    form = StepForm(Cluster(by=GaussianMixture(classes=3)))
    qtbot.addWidget(form)
    form.show()
    box = form.fields["by"]
    assert box.shown.isVisible()
    box.choice.set("HDBSCAN")
    visible = {name for part in box.forms.values() if part.isVisible() for name in part.fields}
    assert visible == {"min_size"}
    assert form.step() == Cluster(by=Hdbscan())
    box.choice.set("mixture")
    assert form.step() == Cluster(by=GaussianMixture(classes=3))


def test_a_ticked_method_shows_its_parameters(qtbot):
    form = StepForm(Describe())
    qtbot.addWidget(form)
    form.show()
    box, heard = form.fields["methods"], []
    form.changed.connect(lambda: heard.append(form.problem()))
    box.boxes["PCA"].setChecked(True)
    box.forms["PCA"].fields["components"].set(5)
    assert form.step() == Describe(methods=(ZernikeMoments(), PCA(components=5)))
    assert box.forms["PCA"].isVisible()
    for each in box.boxes.values():
        each.setChecked(False)
    assert "at least one method" in form.problem()
    assert heard


def test_labels_spell_abbreviations_as_people_do(qtbot):
    form = StepForm(TrainVae())
    qtbot.addWidget(form)
    labels = {label.text() for label in form.findChildren(QtWidgets.QLabel)}
    assert {"KL weight", "window size"} & labels == {"KL weight"}
    assert {"latents", "rotation prior"} <= labels


def test_an_automatic_number_shows_what_it_became(qtbot):
    form = StepForm(Segment())
    qtbot.addWidget(form)
    form.fields["by"].choice.set("blobs")
    box = form.fields["by"].shown.fields["spacing"].box
    assert box.text() == "auto"
    form.show_used(Segment(by=Blobs(spacing=15.6)))
    assert (box.text(), box.isEnabled()) == ("15.6", False)
    assert form.step() == Segment(by=Blobs())


@pytest.mark.parametrize(
    ("name", "word"),
    [("offset_prior", "learned"), ("capacity", "none"), ("epochs", "auto")],
)
def test_a_parameter_that_is_not_set_says_what_that_means(qtbot, name, word):
    form = StepForm(TrainVae())
    qtbot.addWidget(form)
    assert form.fields[name].auto.text() == word
    assert form.step() == TrainVae()


def test_an_automatic_word_shows_what_it_became(qtbot):
    form = StepForm(FitMotif())
    qtbot.addWidget(form)
    heard = []
    form.changed.connect(lambda: heard.append(form.step()))
    assert form.fields["basis"].currentText() == "auto"
    form.show_used(FitMotif(basis="harmonic", loss="l2"))
    assert form.fields["basis"].currentText() == "auto: harmonic"
    assert form.fields["loss"].currentText() == "auto: l2"
    form.show_used(None)
    assert form.fields["basis"].currentText() == "auto"
    assert (form.step(), heard) == (FitMotif(), [])


def test_what_is_rarely_needed_is_folded_away(qtbot):
    form = StepForm(FitMotif())
    qtbot.addWidget(form)
    hidden = {name for name, widget in form.fields.items() if form.more.isAncestorOf(widget)}
    assert hidden == {"width", "rate", "loss", "log"}
    assert (form.more.text(), form.more.isExpanded()) == (MORE, False)


@pytest.mark.parametrize(("step", "hidden"), [(FindAtoms(), None), (ExtractSubImages(), {"smoothing"})])
def test_which_steps_have_more_settings(qtbot, step, hidden):
    form = StepForm(step)
    qtbot.addWidget(form)
    found = form.more and {name for name, widget in form.fields.items() if form.more.isAncestorOf(widget)}
    assert found == hidden


def test_more_settings_have_room_when_they_unfold(qtbot):
    window, panel = QtWidgets.QWidget(), StepPanel(Segment())
    qtbot.addWidget(window)
    form = StepForm(FitMotif(), panel)
    panel.addWidget(form)
    layout = QtWidgets.QVBoxLayout(window)
    layout.addWidget(panel)
    layout.addStretch(1)
    window.resize(320, 700)
    window.show()
    panel.expand(animate=False)
    qtbot.waitUntil(lambda: form.height() >= form.sizeHint().height(), timeout=3000)
    folded = form.height()
    form.more.toggleButton().click()
    qtbot.waitUntil(lambda: form.height() >= form.sizeHint().height() > folded + 80, timeout=3000)
    form.more.toggleButton().click()
    qtbot.waitUntil(lambda: form.height() <= folded + 10, timeout=3000)


def test_a_long_status_has_room_beside_the_fields(qtbot):
    window, panel = QtWidgets.QWidget(), StepPanel(TrainVae())
    qtbot.addWidget(window)
    layout = QtWidgets.QVBoxLayout(window)
    layout.addWidget(panel)
    layout.addStretch(1)
    window.resize(320, 900)
    window.show()
    panel.expand(animate=False)
    panel.set_status("A sentence of many words that takes several lines. " * 6)
    label, content = panel.status, panel.content()
    qtbot.waitUntil(lambda: label.height() >= label.heightForWidth(label.width()) > 40, timeout=3000)
    qtbot.waitUntil(lambda: content.height() >= content.sizeHint().height(), timeout=3000)


@pytest.mark.parametrize(("answer", "expected"), [("/data/new.pt", Path("/data/new.pt")), ("", Path("old.pt"))])
def test_a_file_is_chosen_in_a_dialog(qtbot, monkeypatch, answer, expected):
    asked = []

    def dialog(parent, title, name, options):
        asked.append((name, options))
        return answer, ""

    monkeypatch.setattr(QtWidgets.QFileDialog, "getSaveFileName", dialog)
    form = StepForm(FitMotif(start=Path("old.pt")))
    qtbot.addWidget(form)
    form.fields["start"].browse.click()
    assert form.step() == FitMotif(start=expected)
    assert asked == [("old.pt", QtWidgets.QFileDialog.Option.DontConfirmOverwrite)]


@pytest.mark.parametrize("text", ["", "  "])
def test_no_name_is_no_file(qtbot, text):
    form = StepForm(FULL)
    qtbot.addWidget(form)
    form.fields["start"].edit.setText(text)
    assert form.step().start is None
    assert form.fields["start"].edit.placeholderText() == "none"


def test_leaving_automatic_starts_from_what_it_became(qtbot):
    form = StepForm(ExtractSubImages())
    qtbot.addWidget(form)
    form.show_used(ExtractSubImages(window_size=36))
    form.fields["window_size"].auto.setChecked(False)
    assert form.step() == ExtractSubImages(window_size=36)


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (FindAtoms(), "threshold"),
        (ExtractSubImages(), "window_size"),
        (ExtractSubImages(), "source"),
        (PaintMap(), "columns"),
        (Encode(), "correct_positions"),
        (FitMotif(), "start"),
        (FitMotif(), "basis"),
        (FitMotif(), "width"),
        (FitMotif(), "rate"),
        (FitMotif(), "loss"),
        (FitMotif(), "log"),
    ],
)
def test_a_change_by_hand_is_announced(qtbot, step, name):
    form = StepForm(step)
    qtbot.addWidget(form)
    widget = form.fields[name]
    with qtbot.waitSignal(form.changed, timeout=1000):
        if isinstance(widget, AutoNumber):
            widget.auto.setChecked(False)
        elif isinstance(widget, QtWidgets.QLineEdit):
            widget.setText("z0, z1")
        elif isinstance(widget, PathBox):
            widget.edit.setText("a.pt")
        elif isinstance(widget, QtWidgets.QComboBox):
            widget.setCurrentIndex(1)
        elif isinstance(widget, QtWidgets.QCheckBox):
            widget.setChecked(True)
        else:
            widget.setValue(widget.maximum())
    assert form.step() != step


@pytest.mark.parametrize(
    ("step", "name"), [(FindAtoms(), "threshold"), (FULL, "basis"), (FULL, "width"), (FULL, "loss")]
)
def test_the_wheel_changes_nothing_that_was_not_clicked(qtbot, step, name):
    form = StepForm(step)
    qtbot.addWidget(form)
    place, none = QtCore.QPointF(5, 5), QtCore.QPoint()
    up = QtCore.QPoint(0, 120)
    event = QtGui.QWheelEvent(
        place, place, none, up, QtCore.Qt.MouseButton.NoButton, QtCore.Qt.KeyboardModifier.NoModifier,
        QtCore.Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QtWidgets.QApplication.sendEvent(form.fields[name], event)
    assert form.step() == step


def test_the_form_fits_its_dock(qtbot):
    for step in (*Recipe().steps, FULL):
        form = StepForm(step)
        qtbot.addWidget(form)
        assert form.minimumSizeHint().width() <= 300, step.name()
