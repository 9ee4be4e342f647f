"""Averages of the aligned frames of a stack."""

import numpy as np
import pytest
from scans import drifting, skewed, spoiled

from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import finish
from local_crystallography.steps.average_frames import AverageFrames, FrameAverage


def test_frames_are_laid_over_each_other():
    frames, path, clean = drifting()
    average = AverageFrames().average(Image(frames, 0.02))
    np.testing.assert_allclose(average.shifts, -path, atol=0.1)
    assert average.image.data.shape == (128, 128)
    assert average.image.pixel_size == 0.02
    inner = (slice(20, -20), slice(20, -20))
    alone = np.std((frames[0] - clean)[inner])
    assert np.std((average.image.data - clean)[inner]) < 1.2 * alone / np.sqrt(len(frames))
    assert (average.count[inner] == len(frames)).all()


def test_one_frame_is_its_own_average():
    image = Image(skewed()[0])
    assert AverageFrames()(image) is image
    with pytest.raises(InputError, match="only one frame"):
        AverageFrames().average(image)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["blank", "cut", "torn", "unsharp", "noise"])
@pytest.mark.parametrize("bad", [0, 3])
def test_a_bad_frame_is_left_out_and_named(kind, bad):
    frames, path, _ = drifting(count=8)
    average = AverageFrames().average(Image(spoiled(frames, bad, kind)))
    assert average.left_out == [bad]
    assert f"Frame {bad} (of 0 to 7) was left out" in average.remark
    assert average.image.metadata["messages"] == [average.remark]
    good = [i for i in range(8) if i != bad]
    np.testing.assert_allclose(average.shifts[good], path[good[0]] - path[good], atol=0.15)


@pytest.mark.slow
def test_good_frames_of_different_brightness_are_all_averaged():
    frames, _, _ = drifting(count=8)
    gains = np.linspace(0.9, 1.1, 8)[:, None, None]
    average = AverageFrames().average(Image(frames * gains))
    assert average.left_out == []
    assert average.remark == ""


def test_frames_with_nothing_in_common_have_no_average():
    rng = np.random.default_rng(0)
    frames = np.stack([rng.normal(1, 0.1, (64, 64)), np.zeros((64, 64))])
    with pytest.raises(InputError, match="fewer than two frames that are alike"):
        AverageFrames().average(Image(frames))


def test_progress_is_reported_for_every_frame_and_a_stop_keeps_the_shifts_so_far():
    frames, path, _ = drifting(count=4)
    reports = []

    def stop_at_once(progress):
        reports.append(progress.fraction)
        return True

    average = finish(AverageFrames().averaging(Image(frames)), stop_at_once)
    assert len(reports) == 4
    assert sorted(reports) == reports
    np.testing.assert_allclose(average.shifts, -path, atol=0.5)


def test_frames_that_had_to_be_shifted_far_are_doubted():
    image, shifts = Image(np.eye(128)), np.array([[0.0, 0.0], [0.0, 40.0], [np.nan, np.nan]])
    words = "Frames were shifted by up to 40 px; check that all of them show the same area."
    assert FrameAverage(image, shifts, np.ones((128, 128), np.int64)).remark.endswith(words)
    assert "same area" not in FrameAverage(image, shifts / 2, np.ones((128, 128), np.int64)).remark
