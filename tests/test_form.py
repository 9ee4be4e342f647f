"""A step goes into its form and comes out as it was."""

import pytest
from qtpy import QtCore, QtGui, QtWidgets

from local_crystallography._napari.form import AutoNumber, StepForm
from local_crystallography.recipe import Recipe
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.paint_map import PaintMap
from local_crystallography.steps.segment import Segment
from local_crystallography.steps.train_vae import TrainVae

ODD = [
    Segment(contrast="dark", spacing=15.599999999999998, significance=0.5, weakest=0.0123),
    FindAtoms(threshold=1 / 3, smallest=10_000),
    ExtractSubImages(source="smoothed", window_size=512, smoothing=0.1, normalise="sub-image"),
    ExtractSubImages(window_size=8),
    TrainVae(learning_rate=1e-5, seed=2**31 - 1, rotation_prior=0.0123, detail=2, epochs=1),
    Cluster(columns=("z0", "angle_rad"), classes=1),
    PaintMap(columns=("label",), reach=0.5),
]


@pytest.mark.parametrize("step", [*Recipe().steps, *ODD], ids=repr)
def test_every_step_survives_its_form(qtbot, step):
    form = StepForm(type(step)())
    qtbot.addWidget(form)
    form.set(step)
    assert form.step() == step


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


@pytest.mark.parametrize("step", Recipe().steps, ids=lambda step: step.name())
def test_every_field_has_its_help(qtbot, step):
    form = StepForm(step)
    qtbot.addWidget(form)
    for name, widget in form.fields.items():
        assert type(step).model_fields[name].description in widget.toolTip()


def test_an_automatic_number_shows_what_it_became(qtbot):
    form = StepForm(Segment())
    qtbot.addWidget(form)
    box = form.fields["spacing"].box
    assert box.text() == "auto"
    form.show_used(Segment(spacing=15.6))
    assert box.text() == "auto: 15.6"
    assert form.step() == Segment()


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
        elif isinstance(widget, QtWidgets.QComboBox):
            widget.setCurrentText("smoothed")
        else:
            widget.setValue(0.7)
    assert form.step() != step


def test_the_wheel_changes_no_number_that_was_not_clicked(qtbot):
    form = StepForm(FindAtoms())
    qtbot.addWidget(form)
    place, none = QtCore.QPointF(5, 5), QtCore.QPoint()
    up = QtCore.QPoint(0, 120)
    event = QtGui.QWheelEvent(
        place, place, none, up, QtCore.Qt.MouseButton.NoButton, QtCore.Qt.KeyboardModifier.NoModifier,
        QtCore.Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QtWidgets.QApplication.sendEvent(form.fields["threshold"], event)
    assert form.step() == FindAtoms()


def test_the_form_fits_its_dock(qtbot):
    for step in Recipe().steps:
        form = StepForm(step)
        qtbot.addWidget(form)
        assert form.minimumSizeHint().width() <= 300, step.name()
