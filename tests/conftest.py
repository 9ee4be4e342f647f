"""One finished analysis for all tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_crystallography.analysis import Analysis
from local_crystallography.data.progress import finish
from local_crystallography.recipe import Recipe
from local_crystallography.simulate.samples import load_sample
from local_crystallography.steps.train_vae import TrainVae


@pytest.fixture(scope="session")
def quick_analysis() -> Analysis:
    """The sample `quick`, analysed with a short training; not to be changed."""
    analysis = Analysis(load_sample("quick"))
    finish(analysis.run(Recipe(train_vae=TrainVae(epochs=4))))
    return analysis


@pytest.fixture(scope="session")
def quick_session(quick_analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`quick_analysis` as saved; not to be changed."""
    return quick_analysis.save(tmp_path_factory.mktemp("session") / "quick")
