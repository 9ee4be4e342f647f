"""Priors of the chain: those of the paper, or one's own."""

from __future__ import annotations

from pydantic import ValidationError
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.widgets.form import ModelForm
from local_crystallography.bayes.chain import ChainPriors
from local_crystallography.bayes.priors import Priors
from local_crystallography.data.parameters import sentence

NAMES = {
    "mu1": "of the odd bonds",
    "mu2": "of the even bonds",
    "mu3": "of the difference even - odd",
}


class PriorsBox(QtWidgets.QWidget):  # type: ignore[misc]
    """For each of mu1, mu2 and mu3 whether the prior is that of the data, and its own numbers where it is not."""

    changed = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.own = {name: QtWidgets.QCheckBox(f"own prior {words}") for name, words in NAMES.items()}
        self.forms = {name: ModelForm(Priors(centre=1.0, scale=0.2, sigma_high=1.0)) for name in NAMES}
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for name, box in self.own.items():
            box.setToolTip(
                "<qt>By default the first bonds set the prior, as in the paper (of the difference: as we chose, for "
                "the paper gives none). Tick to set family, centre, scale and bounds of the standard deviation.</qt>"
            )
            layout.addWidget(box)
            layout.addWidget(self.forms[name])
            self.forms[name].setVisible(False)
            box.toggled.connect(self.forms[name].setVisible)
            box.toggled.connect(lambda _: self.changed.emit())
            self.forms[name].changed.connect(self.changed)

    def chosen(self) -> dict[str, Priors | None]:
        """Own priors by the names of their fields in `ChainModel`; None for those of the data."""
        return {
            f"prior_{name}": self.forms[name].model() if box.isChecked() else None for name, box in self.own.items()
        }

    def problem(self) -> str:
        """What does not fit together, in words."""
        try:
            self.chosen()
        except ValidationError as error:
            return sentence(error)
        return ""

    def show_used(self, priors: ChainPriors) -> None:
        """Fill the numbers that are not one's own with those of the data, to begin with when one takes over."""
        for name, box in self.own.items():
            if not box.isChecked():
                self.forms[name].blockSignals(True)
                self.forms[name].set(getattr(priors, name))
                self.forms[name].blockSignals(False)
