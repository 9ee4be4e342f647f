"""What is said of a chain follows from what is known of it."""

import numpy as np
import pytest

from local_crystallography.bayes.bonds import Chain, SimulatedChain
from local_crystallography.bayes.chain import ChainModel
from local_crystallography.bayes.decision import Decision
from local_crystallography.data.errors import InputError
from local_crystallography.views.chain_view import looked_at, view_chain


@pytest.fixture(scope="module")
def case_1():
    return view_chain(SimulatedChain.of_case(1)(), ChainModel())


@pytest.fixture(scope="module")
def case_2():
    return view_chain(SimulatedChain.of_case(2)(), ChainModel())


def test_case_1_is_broken_from_the_first_look_on(case_1):
    assert case_1.decision is Decision.BROKEN
    assert case_1.words()[0].startswith("After 200 unit cells: broken.")
    assert any(sentence.startswith("First decided after 10, as broken;") for sentence in case_1.words())


def test_case_2_is_undecided_and_its_noise_is_told(case_2):
    assert "undecided" in case_2.words()[0]
    assert case_2.words()[-1].endswith("noise on bonds.")


def test_an_edge_in_the_middle_of_the_interval_is_a_warning():
    chain = SimulatedChain(odd=0.95, even=1.05, cells=400, seed=1)()
    measured = float((chain.even - chain.odd).mean())
    view = view_chain(chain, ChainModel(rope_half_width=measured))
    assert any("may never decide" in sentence for sentence in view.words())


def test_the_wrong_model_of_the_noise_is_a_warning():
    chain = SimulatedChain(noise="positions", deviation=0.05)()
    sentence = view_chain(chain, ChainModel()).words()[-1]
    assert sentence.startswith("⚠")
    assert sentence.endswith("noise on positions; choose difference: positions.")
    assert not view_chain(chain, ChainModel(difference="positions")).words()[-1].startswith("⚠")


@pytest.mark.parametrize(("asked", "seen", "row"), [(1, 1, 0), (12, 12, 2), (10_000, 200, 190)])
def test_fewer_cells_are_known_already(case_2, asked, seen, row):
    view = looked_at(case_2, asked)
    assert (view.cells, view.row) == (seen, row)
    short = Chain(case_2.chain.positions[: 2 * seen + 1])
    assert view.mu1.mean()[-1] == pytest.approx(short.odd.mean(), abs=0.05)
    assert len(view.picture()[0]) == row + 1


def test_every_column_of_the_picture_reaches_one(case_2):
    picture, low, high = case_2.picture()
    assert picture.max(axis=1) == pytest.approx(1, abs=0.02)
    assert low < case_2.result.low.min() < case_2.result.high.max() < high


def test_the_mass_inside_grows_with_the_rope(case_2):
    halves, inside = case_2.in_rope_against_half_width()
    assert (np.diff(inside) >= -1e-12).all()
    assert inside[0] == pytest.approx(0, abs=1e-6)
    at = np.interp(case_2.model.rope_half_width, halves, inside)
    assert at == pytest.approx(case_2.result.inside[-1], abs=0.01)


def test_the_unit_is_said():
    assert " nm " in view_chain(SimulatedChain()(), ChainModel(), unit="nm").words()[0]


def test_a_chain_too_short_is_refused():
    with pytest.raises(InputError, match="has 6 bonds"):
        view_chain(SimulatedChain(cells=3)(), ChainModel())
