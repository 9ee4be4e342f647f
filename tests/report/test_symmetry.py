"""The figures of Bayesian symmetry say what their results say."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image as Picture
from walls import net

from local_crystallography.bayes.bonds import SimulatedChain
from local_crystallography.bayes.calibrate import ChainTrials, calibrate_chain
from local_crystallography.bayes.chain import ChainModel
from local_crystallography.bayes.decision import Decision
from local_crystallography.bayes.study import Rule, window_study
from local_crystallography.bayes.weights import PRIOR, model_weights
from local_crystallography.data.progress import finish
from local_crystallography.report.symmetry import (
    BLUE,
    COLORS,
    RED,
    calibration_figure,
    calibration_table,
    chain_figure,
    chain_table,
    study_figure,
    weights_figure,
    weights_table,
    write_figure,
)
from local_crystallography.views.chain_view import ON_EDGE, decision_words

MODEL = ChainModel()


def judged(case=2, seed=0, cells=60, model=MODEL):
    chain = SimulatedChain.of_case(case).model_copy(update={"seed": seed, "cells": cells})()
    return chain, model(chain), model


def panels(figure):
    return {axes.get_title(loc="left")[:1]: axes for axes in figure.axes}


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


@pytest.fixture(scope="module")
def decided():
    """Case 2, seed 0: first broken after 18 cells, at last undecided."""
    return judged()


@pytest.fixture(scope="module")
def shown(decided):
    return panels(chain_figure(*decided, unit="nm"))


def test_the_bonds_are_those_of_the_chain(shown, decided):
    assert lines(shown["a"])["odd"].get_ydata() == pytest.approx(decided[0].odd)
    assert lines(shown["a"])["even"].get_ydata() == pytest.approx(decided[0].even)


def test_posteriors_are_highest_where_the_bonds_are(shown, decided):
    for filled, bonds in zip(shown["b"].collections, (decided[0].odd, decided[0].even), strict=True):
        x, density = filled.get_paths()[0].vertices.T
        assert x[density.argmax()] == pytest.approx(bonds.mean(), abs=0.01)
    first = [line.get_xdata()[line.get_ydata().argmax()] for line in shown["b"].lines]
    assert first == pytest.approx([decided[0].odd[0], decided[0].even[0]], abs=0.01)


def test_the_picture_has_the_mean_of_every_posterior(shown, decided):
    mesh = shown["d"].collections[0]
    picture = np.asarray(mesh.get_array())
    y = np.asarray(mesh.get_coordinates())[:, 0, 1]
    height = y[:-1][picture.argmax(axis=0)]
    assert picture.shape[1] == len(decided[1].cells)
    assert height == pytest.approx(decided[1].mu3.mean(), abs=0.02)


def test_long_chains_have_no_larger_picture():
    figure = chain_figure(*judged(cells=1000))
    assert panels(figure)["d"].collections[0].get_array().shape[1] == 400


def test_interval_and_first_decision_are_those_of_the_result(shown, decided):
    result = decided[1]
    band = shown["f"].collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((result.low.min(), result.high.max()))
    mark = next(line for name, line in lines(shown["f"]).items() if name.startswith("first decided: 18"))
    assert list(mark.get_xdata()) == [18, 18]
    assert mark.get_label().endswith("broken")
    assert mark.get_ydata()[0] > MODEL.rope.high


def test_a_chain_without_a_decision_has_no_mark():
    chain, result, model = judged(seed=1)
    assert result.first_decided is None
    assert not [name for name in lines(panels(chain_figure(chain, result, model))["f"]) if "first" in name]


def test_the_curve_goes_through_the_probability_in_this_rope(shown, decided):
    half, share = lines(shown["g"])["after 60 cells"].get_data()
    assert np.interp(MODEL.rope_half_width, half, share) == pytest.approx(decided[1].inside[-1], abs=0.01)
    assert (share[0], share[-1]) == pytest.approx((0, 1), abs=0.01)


def test_every_length_has_its_unit(shown):
    assert [shown[letter].get_xlabel()[-4:] for letter in "bcg"] == ["(nm)"] * 3
    assert [shown[letter].get_ylabel()[-4:] for letter in "adf"] == ["(nm)"] * 3


def test_the_words_tell_what_later_cells_took_back(decided):
    words = decision_words(decided[1], MODEL)
    assert words[0].startswith("After 60 unit cells: undecided.")
    assert words[1].startswith("First decided after 18, as broken, which later cells revised;")


@pytest.mark.parametrize(("seed", "warned"), [(1, True), (0, False)])
def test_a_rope_in_the_middle_of_the_interval_is_warned_of(seed, warned):
    chain, result, model = judged(seed=seed, cells=60 if warned else 200)
    figure = chain_figure(chain, result, model)
    assert (ON_EDGE in decision_words(result, model)) == warned
    assert (to_rgb(figure.texts[0].get_color()) == to_rgb(RED)) == warned


@pytest.mark.parametrize("difference", ["independent", "positions"])
def test_other_differences_and_intervals_have_figures(difference, tmp_path):
    model = ChainModel(difference=difference, kind="ETI", first_cells=2)
    figure = chain_figure(*judged(1, cells=12, model=model))
    write_figure(figure, tmp_path / "chain.png")
    assert "94 % ETI" in panels(figure)["f"].get_title(loc="left")


def test_the_table_of_a_chain(decided):
    table = chain_table(decided[1])
    assert table["cells"].tolist() == list(range(10, 61))
    assert table.set_index("cells").loc[18, "decision"] == "broken"
    assert ((table["low"] < table["mean"]) & (table["mean"] < table["high"])).all()


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_figures_are_written_in_the_format_of_their_name(ending, begins, decided, tmp_path):
    write_figure(chain_figure(*decided), tmp_path / f"chain.{ending}")
    assert (tmp_path / f"chain.{ending}").read_bytes().startswith(begins)


def test_figures_are_on_white(decided, tmp_path):
    write_figure(chain_figure(*decided), tmp_path / "chain.png")
    with Picture.open(tmp_path / "chain.png") as picture:
        assert picture.convert("RGB").getpixel((2, picture.height - 2)) == (255, 255, 255)


@pytest.fixture(scope="module")
def calibration():
    trials = ChainTrials(cells=40, chains=60, differences=(0.0, 0.1, 0.3), stride=15)
    return finish(calibrate_chain(MODEL, trials))


def test_bars_are_the_shares_of_the_decisions(calibration):
    coverage, *rules = calibration_figure(calibration).axes
    for axes, rates in zip(rules, (calibration.at_end, calibration.at_first, calibration.at_precision), strict=True):
        widths = np.reshape([bar.get_width() for bar in axes.patches], (3, 3))
        assert widths == pytest.approx(100 * np.array([rates.symmetric, rates.broken, rates.undecided]))
        ends = np.reshape([bar.get_x() for bar in axes.patches], (3, 3)) + widths
        assert ends == pytest.approx(np.cumsum(widths, axis=0))
        assert to_rgb(axes.patches[3].get_facecolor()[:3]) == to_rgb(COLORS[Decision.BROKEN])
    assert coverage.lines[0].get_xdata() == pytest.approx(100 * calibration.coverage)
    assert [label.get_text() for label in coverage.get_yticklabels()] == ["0", "0.1", "0.3"]


def test_the_table_of_a_calibration_has_all_rates(calibration):
    table = calibration_table(calibration).set_index("difference")
    assert table.loc[0.3, "broken_at_end"] == calibration.at_end.broken[2]
    assert table.filter(regex="_at_first$").sum(axis=1).to_numpy() == pytest.approx(np.ones(3))
    assert (table["coverage_error"] > 0).all()


def test_what_was_stopped_has_a_figure_too(calibration, tmp_path):
    nothing = np.full(3, np.nan)
    stopped = replace(calibration, coverage=nothing, coverage_error=nothing)
    stopped = replace(stopped, at_first=replace(calibration.at_first, symmetric=nothing, broken=nothing))
    write_figure(calibration_figure(stopped), tmp_path / "stopped.png")


def test_measured_is_solid_and_predicted_dashed():
    study = finish(window_study([net(20, s=(0.03, 0), sd=0.03)], (1.6, 3.1), Rule("a")))
    drawn = lines(study_figure(study).axes[0])
    assert drawn["broken"].get_ydata() == pytest.approx(100 * study.broken)
    assert drawn["broken"].get_xdata() == pytest.approx(study.cells)
    dashed = {name: line for name, line in drawn.items() if line.get_linestyle() == "--"}
    assert [line.get_color() for line in dashed.values()] == [BLUE, RED]
    predicted = [study.predicted_symmetric, study.predicted_broken]
    for line, share in zip(dashed.values(), predicted, strict=True):
        assert line.get_ydata() == pytest.approx(100 * share)
    assert drawn["not enough neighbours"].get_ydata() == pytest.approx(100 * study.too_few)  # at edges of small windows


def test_nothing_is_predicted_of_a_difference_that_is_none():
    study = replace(finish(window_study([net(20, sd=0.03)], (1.6, 3.1), Rule("a"))), difference=0.0)
    assert not [name for name in lines(study_figure(study).axes[0]) if name.startswith("broken, predicted")]


def test_weights_stand_under_their_lattices():
    weights = {"grain 0": model_weights([net(20, sd=0.03)]), "grain 1": model_weights([net(20, s=(0.05, 0), sd=0.03)])}
    table = weights_table(weights)
    assert table[list(PRIOR)].sum(axis=1).to_numpy() == pytest.approx(np.ones(2))
    assert table.loc["grain 1", "doubled along a"] > 0.99
    axes = weights_figure(weights).axes[0]
    numbers = {tuple(map(int, text.get_position()[::-1])): text.get_text() for text in axes.texts}
    assert numbers[1, list(PRIOR).index("doubled along a")] == "1.00"
    assert numbers[0, 0] == f"{table.loc['grain 0', 'square']:.2f}"
