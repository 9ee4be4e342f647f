"""Reported errors of the angle on real images, compared with differences between two halves of their counts.

    python benchmarks/halves.py FILE …

The gain of an image, intensity per count, is the slope of its noise (`fitting.noise`); its counts are divided at
random between two images, each with the noise of half the dose. Both are encoded by the same network at the atoms of
the first, so that angles differ by noise alone. Error: root mean square of the difference, over the square root of 2.
Posterior: that of the standard deviations given by the network. Reported: that of `angle_std_rad`, which includes the
scatter of angles among neighbours, and so real differences: a ratio under 1 is right if angles really differ.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import convolve1d

from local_crystallography import Analysis, Image, read_image
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.fitting.noise import noise_of_image
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.extract_sub_images import ExtractSubImages

WHITE, NEAR = -2 / 3, 0.1
"""Correlation of neighbours in the second difference of white noise, and how near it has to be: counts that were
smoothed, scaled or compressed cannot be divided."""


def is_white(pixels: np.ndarray) -> bool:
    """Whether the noise of neighbouring pixels is independent."""
    rest = convolve1d(convolve1d(pixels, [-1, 2, -1], 0), [-1, 2, -1], 1)[4:-4, 4:-4]
    pairs = (rest[:, 1:], rest[:, :-1]), (rest[1:], rest[:-1])
    return all(abs(np.corrcoef(one.ravel(), other.ravel())[0, 1] - WHITE) < NEAR for one, other in pairs)


def halves(image: Image, seed: int) -> tuple[Image, Image]:
    """Two images, each with half the counts of one."""
    pixels = np.asarray(image.data, float)
    if not is_white(pixels):
        raise InputError(f"{image.name}: the noise of its pixels is not independent, so its counts are not known.")
    noise = noise_of_image(pixels.astype(np.float32))
    if noise.slope <= 0:
        raise InputError(f"{image.name}: its noise does not grow with brightness, so it holds no counts.")
    counts = np.round(np.maximum(pixels + noise.constant / noise.slope, 0) / noise.slope).astype(np.int64)
    first = np.random.default_rng(seed).binomial(counts, 0.5)
    return (Image(first.astype(np.float32), image.pixel_size, image.name), Image((counts - first).astype(np.float32)))


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    print("| image | atoms | error, degrees | error / posterior | error / reported |\n|" + " --- |" * 5)
    for file in parser.parse_args().files:
        try:
            first, second = halves(read_image(file), 0)
            analysis = Analysis(first)
            finish(analysis.run(analysis.recipe))
        except InputError as error:
            print(f"| {file.stem} | | | | {error} |", flush=True)
            continue
        atoms, vae, cut = analysis.atoms, analysis.vae, analysis.sub_images
        again = ExtractSubImages(window_size=cut.window_size)(cut.atoms, second)
        both = [Encode()(vae, part, atoms).features.set_index("id") for part in (cut, again)]
        posterior = [vae.encode(part.windows)["angle_std_rad"].to_numpy() for part in (cut, again)]
        rows = [part.loc[cut.atoms.ids] for part in both]
        shared = np.isin(cut.atoms.ids, again.atoms.ids)
        turn = 2 * np.pi / rows[0]["symmetry_order"].to_numpy()
        apart = (rows[0]["angle_rad"] - rows[1]["angle_rad"]).to_numpy()
        apart = (apart + turn / 2) % turn - turn / 2
        used = shared & np.isfinite(apart)
        usual = np.abs(apart) < 6 * np.median(np.abs(apart[used]))
        used &= usual
        error = np.sqrt((apart[used] ** 2).mean() / 2)
        reported = np.sqrt(np.mean([(part["angle_std_rad"].to_numpy()[used] ** 2).mean() for part in rows]))
        alone = np.sqrt(np.mean([(std[used] ** 2).mean() for std in posterior]))
        print(
            f"| {file.stem} | {used.sum()} of {len(used)} | {np.degrees(error):.2f} | {error / alone:.2f} | "
            f"{error / reported:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
