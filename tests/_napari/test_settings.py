"""What is remembered, where it counts, and that a script does not care."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from qtpy import QtGui

from local_crystallography._napari.main.dock import MainDock
from local_crystallography._napari.main.side_docks import EXPLORER
from local_crystallography._napari.session.worker import Stop, guarded
from local_crystallography._napari.settings import PLUGIN, Settings, limited
from local_crystallography._napari.widgets.help import HelpButton, anchor
from local_crystallography.recipe import Recipe

napari_settings = pytest.importorskip("napari.settings")
pytestmark = pytest.mark.skipif(
    not hasattr(napari_settings, "get_plugin_settings"), reason="napari before 0.9 does not remember for plugins"
)


def kept():
    return napari_settings.get_plugin_settings(PLUGIN)


@pytest.fixture
def open_dock(viewer):
    docks = []

    def opened():
        docks.append(MainDock(viewer))
        viewer.window.add_dock_widget(docks[-1], name=f"dock {len(docks)}")
        return docks[-1]

    yield opened
    for dock in docks:
        dock.controller.runner.halt()


def test_what_is_set_is_written_and_read_again(qtbot, tmp_path):
    settings = Settings()
    assert (settings.device, settings.threads, settings.folder, settings.unfolded) == (None, None, None, frozenset())
    assert settings.opens_explorer
    settings.shows_hint, settings.unfolded, settings.folder = False, ["encode", "cluster"], tmp_path
    written = yaml.safe_load(kept().config_path.read_text(encoding="utf-8"))
    assert written == {
        "panels": {"show_hint": False, "unfolded": "cluster encode"},
        "files": {"folder": str(tmp_path)},
    }
    assert (settings.shows_hint, settings.unfolded, settings.folder) == (False, {"encode", "cluster"}, tmp_path)


def test_a_folder_that_is_gone_is_not_offered(qtbot, tmp_path):
    Settings().folder = tmp_path / "gone"
    assert Settings().folder is None


def test_a_device_there_is_not_is_refused(qtbot):
    with pytest.raises(ValueError, match="abacus"):
        kept().computing.device = "abacus"


def test_without_napari_of_today_the_defaults_are_the_same(qtbot, monkeypatch):
    names = ("device", "threads", "opens_explorer", "shows_hint", "unfolded", "folder")
    known = [getattr(Settings(), name) for name in names]
    monkeypatch.setattr(napari_settings, "get_plugin_settings", dict)
    assert [getattr(Settings(), name) for name in names] == known
    Settings().follow(print)
    Settings().leave(print)


def test_panels_are_found_as_they_were_left(open_dock):
    first = open_dock()
    assert not any(panel.isExpanded() for panel in first.panels.values())
    first.panels["cluster"].toggleButton().click()
    first.panels["encode"].expand()
    first.panels["encode"].collapse()
    second = open_dock()
    assert [name for name, panel in second.panels.items() if panel.isExpanded()] == ["cluster"]


def test_names_of_no_panel_do_no_harm(open_dock):
    kept().panels.unfolded = "bake the_cake"
    assert not any(panel.isExpanded() for panel in open_dock().panels.values())


def test_networks_are_trained_where_the_settings_say(open_dock):
    kept().computing.device = "cpu"
    dock = open_dock()
    assert [dock.panels[name].form.step().device for name in dock.watches] == ["cpu", "cpu"]
    kept().computing.device = "auto"
    assert [dock.panels[name].form.step().device for name in dock.watches] == [None, None]


def test_a_closed_dock_does_not_listen(viewer, open_dock):
    dock = open_dock()
    before = len(kept().events.changed.callbacks)
    viewer.window.remove_dock_widget(dock)
    assert len(kept().events.changed.callbacks) == before - 1


def test_the_hint_goes_for_ever_when_it_is_dismissed(open_dock):
    dock = open_dock()
    assert not dock.hint.isHidden()
    dock.hint.close_button.click()
    assert dock.hint.isHidden()
    assert open_dock().hint.isHidden()
    kept().panels.show_hint = True
    assert not dock.hint.isHidden()


def test_the_hint_goes_when_an_image_has_been_analysed(open_dock, quick_analysis):
    dock = open_dock()
    dock.controller.adopt(quick_analysis)
    assert dock.hint.isHidden()
    assert not kept().panels.show_hint


@pytest.mark.parametrize("wanted", [True, False])
def test_the_explorer_opens_by_itself_where_it_is_wanted(viewer, open_dock, quick_analysis, qtbot, wanted):
    kept().panels.open_explorer = wanted
    dock = open_dock()
    dock.controller.adopt(quick_analysis)
    qtbot.waitUntil(lambda: not dock.controller.running, timeout=10_000)
    qtbot.wait(50)
    assert (EXPLORER in viewer.window.dock_widgets) == wanted


def test_a_job_keeps_to_the_number_of_threads(qtbot):
    import torch

    def job(stop):
        yield torch.get_num_threads()

    before = torch.get_num_threads()
    kept().computing.threads = before + 1
    assert list(guarded(job, Stop())) == [before + 1]
    assert torch.get_num_threads() == before
    with limited(None):
        assert torch.get_num_threads() == before


def test_the_folder_of_a_session_is_offered_again(open_dock, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "local_crystallography._napari.main.dock.QtWidgets.QFileDialog.getExistingDirectory",
        lambda parent, words, start: asked.append(start) or str(tmp_path / "session"),
    )
    dock = open_dock()
    monkeypatch.setattr(dock.controller, "open", asked.append)
    dock._on_open_clicked()
    dock._on_open_clicked()
    assert asked == ["", tmp_path / "session", str(tmp_path), tmp_path / "session"]


@pytest.mark.slow
def test_a_script_does_not_read_the_settings(tmp_path):
    (tmp_path / f"{PLUGIN}.yaml").write_text("computing: {device: cuda}", encoding="utf-8")
    code = (
        "import sys; from local_crystallography import *; from local_crystallography.recipe import Recipe;"
        "print(Recipe().train_vae.device, 'napari' in sys.modules)"
    )
    environment = {"NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert out.stdout.split() == ["None", "False"]


STEPS = [step.title() for step in Recipe().steps]
HEADINGS = [*STEPS, "Latent explorer", "Manifold"]


def headings():
    page = Path(__file__).parents[2] / "docs" / "method.md"
    return [line.lstrip("#").strip() for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("##")]


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_step_and_dock_has_its_section_in_the_documentation(heading):
    assert heading in headings()


@pytest.mark.parametrize(
    ("heading", "made"),
    [
        ("Train cVAE", "train-cvae"),
        ("Extract sub-images", "extract-sub-images"),
        ("Encode: corrected positions", "encode-corrected-positions"),
        ("Correct scan (optional)", "correct-scan-optional"),
    ],
)
def test_anchors_are_made_as_mkdocs_and_github_make_them(heading, made):
    assert anchor(heading) == made


def test_a_help_button_opens_its_section(open_dock, monkeypatch):
    opened = []
    monkeypatch.setattr(QtGui.QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    for panel in open_dock().panels.values():
        panel.help.click()
        assert opened[-1].endswith(f"/docs/method.md#{anchor(panel.text())}")
        assert opened[-1].startswith("https://")
        assert panel.text() in panel.help.toolTip()
    assert len(set(opened)) == len(STEPS)
    assert isinstance(panel.help, HelpButton)
