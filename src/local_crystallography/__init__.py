"""Deep Bayesian local crystallography: a napari plugin with a headless core.

The public names below are loaded on first use, so that importing the package costs nothing:
neither Qt, napari, torch nor PyMC is imported until something needs it.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_crystallography.analysis import Analysis as Analysis
    from local_crystallography.baselines.alternatives import FFT as FFT
    from local_crystallography.baselines.alternatives import ICA as ICA
    from local_crystallography.baselines.alternatives import NMF as NMF
    from local_crystallography.baselines.alternatives import PCA as PCA
    from local_crystallography.baselines.alternatives import AlignedNeighbours as AlignedNeighbours
    from local_crystallography.baselines.alternatives import Neighbours as Neighbours
    from local_crystallography.baselines.alternatives import PCAMixture as PCAMixture
    from local_crystallography.baselines.alternatives import PixelMixture as PixelMixture
    from local_crystallography.baselines.alternatives import ZernikeMoments as ZernikeMoments
    from local_crystallography.baselines.components import components as components
    from local_crystallography.baselines.mixtures import class_components as class_components
    from local_crystallography.baselines.mixtures import pixel_mixture as pixel_mixture
    from local_crystallography.bayes.bonds import SimulatedChain as SimulatedChain
    from local_crystallography.bayes.calibrate import calibrate_chain as calibrate_chain
    from local_crystallography.bayes.chain import Chain as Chain
    from local_crystallography.bayes.chain import ChainModel as ChainModel
    from local_crystallography.bayes.sampling import ReferencePosterior as ReferencePosterior
    from local_crystallography.clustering.alternatives import Agglomerative as Agglomerative
    from local_crystallography.clustering.alternatives import BayesianMixture as BayesianMixture
    from local_crystallography.clustering.alternatives import GaussianMixture as GaussianMixture
    from local_crystallography.clustering.alternatives import Hdbscan as Hdbscan
    from local_crystallography.clustering.alternatives import KMeans as KMeans
    from local_crystallography.data.atoms import Atoms as Atoms
    from local_crystallography.data.image import Image as Image
    from local_crystallography.data.probability import ProbabilityMap as ProbabilityMap
    from local_crystallography.data.subimages import SubImages as SubImages
    from local_crystallography.io.read import read_image as read_image
    from local_crystallography.models.vae import Vae as Vae
    from local_crystallography.recipe import Recipe as Recipe
    from local_crystallography.report.html import write_report as write_report
    from local_crystallography.report.paper import PaperFigure as PaperFigure
    from local_crystallography.segmenters import train_segmenter as train_segmenter
    from local_crystallography.segmenters import tune_segmenter as tune_segmenter
    from local_crystallography.simulate.samples import simulate_sample as simulate_sample
    from local_crystallography.steps.average_frames import AverageFrames as AverageFrames
    from local_crystallography.steps.cluster import Cluster as Cluster
    from local_crystallography.steps.correct_scan import CorrectScan as CorrectScan
    from local_crystallography.steps.describe import Describe as Describe
    from local_crystallography.steps.describe import zernike_moments as zernike_moments
    from local_crystallography.steps.encode import Encode as Encode
    from local_crystallography.steps.encode_cvae import EncodeCvae as EncodeCvae
    from local_crystallography.steps.extract_sub_images import ExtractSubImages as ExtractSubImages
    from local_crystallography.steps.find_atoms import FindAtoms as FindAtoms
    from local_crystallography.steps.geometric_phase import GeometricPhase as GeometricPhase
    from local_crystallography.steps.measure_lattice import MeasureLattice as MeasureLattice
    from local_crystallography.steps.paint_map import PaintMap as PaintMap
    from local_crystallography.steps.refine_atoms import RefineAtoms as RefineAtoms
    from local_crystallography.steps.segment import Blobs as Blobs
    from local_crystallography.steps.segment import Network as Network
    from local_crystallography.steps.segment import Segment as Segment
    from local_crystallography.steps.symmetry import DecideSymmetry as DecideSymmetry
    from local_crystallography.steps.train_cvae import TrainCvae as TrainCvae
    from local_crystallography.steps.train_vae import TrainVae as TrainVae
    from local_crystallography.studies.classes import class_report as class_report
    from local_crystallography.studies.comparison import compare as compare
    from local_crystallography.studies.means import means as means
    from local_crystallography.studies.profile import LineProfile as LineProfile
    from local_crystallography.studies.windows import WindowStudy as WindowStudy
    from local_crystallography.studies.windows import run_window_study as run_window_study

try:
    __version__ = version("napari-local-crystallography")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"

_HOME = {
    "Agglomerative": "clustering.alternatives",
    "AlignedNeighbours": "baselines.alternatives",
    "Analysis": "analysis",
    "Atoms": "data.atoms",
    "AverageFrames": "steps.average_frames",
    "BayesianMixture": "clustering.alternatives",
    "Blobs": "steps.segment",
    "calibrate_chain": "bayes.calibrate",
    "Chain": "bayes.chain",
    "ChainModel": "bayes.chain",
    "class_components": "baselines.mixtures",
    "class_report": "studies.classes",
    "Cluster": "steps.cluster",
    "compare": "studies.comparison",
    "components": "baselines.components",
    "CorrectScan": "steps.correct_scan",
    "DecideSymmetry": "steps.symmetry",
    "Describe": "steps.describe",
    "Encode": "steps.encode",
    "EncodeCvae": "steps.encode_cvae",
    "ExtractSubImages": "steps.extract_sub_images",
    "FFT": "baselines.alternatives",
    "FindAtoms": "steps.find_atoms",
    "GaussianMixture": "clustering.alternatives",
    "GeometricPhase": "steps.geometric_phase",
    "Hdbscan": "clustering.alternatives",
    "ICA": "baselines.alternatives",
    "Image": "data.image",
    "KMeans": "clustering.alternatives",
    "LineProfile": "studies.profile",
    "means": "studies.means",
    "MeasureLattice": "steps.measure_lattice",
    "Neighbours": "baselines.alternatives",
    "Network": "steps.segment",
    "NMF": "baselines.alternatives",
    "PaintMap": "steps.paint_map",
    "PaperFigure": "report.paper",
    "PCA": "baselines.alternatives",
    "PCAMixture": "baselines.alternatives",
    "pixel_mixture": "baselines.mixtures",
    "PixelMixture": "baselines.alternatives",
    "ProbabilityMap": "data.probability",
    "read_image": "io.read",
    "Recipe": "recipe",
    "ReferencePosterior": "bayes.sampling",
    "RefineAtoms": "steps.refine_atoms",
    "run_window_study": "studies.windows",
    "Segment": "steps.segment",
    "simulate_sample": "simulate.samples",
    "SimulatedChain": "bayes.bonds",
    "SubImages": "data.subimages",
    "train_segmenter": "segmenters",
    "TrainCvae": "steps.train_cvae",
    "TrainVae": "steps.train_vae",
    "tune_segmenter": "segmenters",
    "Vae": "models.vae",
    "WindowStudy": "studies.windows",
    "write_report": "report.html",
    "zernike_moments": "steps.describe",
    "ZernikeMoments": "baselines.alternatives",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
