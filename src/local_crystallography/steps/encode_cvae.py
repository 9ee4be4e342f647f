"""Conditional encoding: latents of the variation within classes, for every atom."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.columns import Column
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Job, Progress
from local_crystallography.data.subimages import SubImages
from local_crystallography.steps.base import Step
from local_crystallography.steps.train_cvae import labelled

if TYPE_CHECKING:
    from local_crystallography.models.vae import Vae


class EncodeCvae(Step):
    """Give every atom the latents of the conditional network: how it differs from others of its class."""

    needs: ClassVar = ("cvae", "sub_images", "atoms")
    makes: ClassVar = "atoms"
    adds: ClassVar = (
        Column(
            r"c\d+",
            "Latent within the class: how the atom differs from others of its class.",
            painted=True,
            has_std=True,
            leading=True,
        ),
        Column("cvae_error", "Reconstruction error of the conditional network; 1 is noise alone."),
    )
    reads: ClassVar = ("cluster",)
    optional: ClassVar = True

    def summary(self, result: Atoms) -> str:
        return f"{int(result.features['c0'].notna().sum()):,} atoms encoded"

    def run(self, cvae: Vae, sub_images: SubImages, atoms: Atoms) -> Job[Atoms]:
        """The atoms with c0, c1, …, c0_std, c1_std, … and `cvae_error`, the reconstruction error.

        NaN for atoms without a sub-image, and for those of a class the network was not trained on. Latents have the
        same meaning in all classes; angle and offset are left to Encode, also with a network of kind crvae.

        Raises
        ------
        InputError
            If no atom has one of the classes the network was trained on.
        """
        yield Progress(0.0, "encoding atoms …")
        part, classes = labelled(sub_images, atoms), cvae.settings.classes
        label = part.atoms.features["label"].to_numpy(np.int64)
        known = np.isin(label, classes)
        if not known.any():
            trained = ", ".join(map(str, classes))
            raise InputError(
                f"No atom is of a class the network was trained on ({trained}); train it again on these classes."
            )
        latents = {f"z{i}{end}": f"c{i}{end}" for end in ("", "_std") for i in range(cvae.settings.latents)}
        names = latents | {"reconstruction_error": "cvae_error"}
        columns = (yield from cvae.encoding(part.windows[known], label[known]))[list(names)]
        return atoms.join(part.atoms.ids[known], columns.rename(columns=names))
