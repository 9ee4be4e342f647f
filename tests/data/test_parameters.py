"""Parameters of alternatives: those of the chosen method alone, by name or not, and as earlier versions wrote them."""

import pytest
from pydantic import ValidationError

from local_crystallography import (
    FFT,
    PCA,
    Blobs,
    Cluster,
    Describe,
    GaussianMixture,
    Hdbscan,
    KMeans,
    Network,
    PCAMixture,
    PixelMixture,
    Segment,
    ZernikeMoments,
)
from local_crystallography.data.parameters import path_of, sentence

FLAT = {"columns": ["z0"], "components": None, "covariance": "tied", "n_init": 7, "smallest": 0.02, "outliers": 0.1}


@pytest.mark.parametrize(
    ("given", "step"),
    [
        ({"by": "HDBSCAN"}, Cluster(by=Hdbscan())),
        ({"by": {"classes": 3}}, Cluster(by=GaussianMixture(classes=3))),
        ({"by": {"method": "k-means", "classes": 3}}, Cluster(by=KMeans(classes=3))),
        ({"method": "k-means", **FLAT}, Cluster(columns=("z0",), by=KMeans(n_init=7), outliers=0.1)),
        ({"method": "HDBSCAN", **FLAT}, Cluster(columns=("z0",), by=Hdbscan(min_size=0.02), outliers=0.1)),
        ({"classes": 2, "mistaken": 0.005}, Cluster(by=GaussianMixture(classes=2))),
    ],
)
def test_clustering_is_read(given, step):
    assert Cluster.model_validate(given) == step


@pytest.mark.parametrize(
    ("given", "step"),
    [
        ({"method": "network", "sigma": 3.0, "spacing": None, "network": None}, Segment(by=Network(sigma=3.0))),
        (
            {"method": "blobs", "sigma": 3.0, "spacing": 9.0, "weakest": 0.2},
            Segment(by=Blobs(spacing=9.0, min_relative_intensity=0.2)),
        ),
        ({"by": "blobs", "contrast": "dark"}, Segment(by=Blobs(), contrast="dark")),
    ],
)
def test_segmentation_is_read(given, step):
    assert Segment.model_validate(given) == step


@pytest.mark.parametrize(
    ("given", "step"),
    [
        ({"methods": ["PCA components=5", "FFT"]}, Describe(methods=(PCA(components=5), FFT()))),
        ({"methods": ["Zernike moments order=4"]}, Describe(methods=(ZernikeMoments(order=4),))),
        (
            {"methods": ["FFT", "PCA mixture"], "components": 2, "classes": 3, "order": 8},
            Describe(methods=(PCAMixture(classes=3, components=2), FFT(components=2))),
        ),
        ({"method": "PCA", "components": 5}, Describe(methods=(PCA(components=5),))),
        ({"order": 4}, Describe(methods=(ZernikeMoments(order=4),))),
    ],
)
def test_descriptions_are_read(given, step):
    assert Describe.model_validate(given) == step
    assert Describe.model_validate(step.model_dump(mode="json")) == step


@pytest.mark.parametrize(
    ("kind", "given", "path", "words"),
    [
        (
            Cluster,
            {"by": {"method": "k-means", "valley": 0.3}},
            "by",
            "valley is not a parameter of k-means; its parameters are: classes",
        ),
        (Cluster, {"by": {"method": "k-means", "classes": 0}}, "by.classes", "Must be at least 1"),
        (Cluster, {"by": "median"}, "by", "There is no such method; choose from 'mixture'"),
        (Cluster, {"min_size": 0.02}, "", "min_size is a parameter of the method HDBSCAN"),
        (Segment, {"spacing": 9.0}, "", "spacing is a parameter of the method blobs"),
        (Describe, {"methods": ["PCA order=5"]}, "methods.0", "order is not a parameter of PCA"),
        (Describe, {"methods": ["pixel mixture", PCAMixture(classes=2)]}, "methods", "same number of classes for both"),
    ],
)
def test_what_does_not_belong_to_the_method_is_refused(kind, given, path, words):
    with pytest.raises(ValidationError) as refused:
        kind.model_validate(given)
    assert words in sentence(refused.value)
    assert ".".join(path_of(refused.value)) == path


def test_both_mixtures_with_the_same_classes_are_welcome():
    assert len(Describe(methods=(PixelMixture(classes=2), PCAMixture(classes=2))).methods) == 2


def test_other_values_are_checked():
    assert KMeans().replace(classes=4) == KMeans(classes=4)
    with pytest.raises(ValidationError):
        KMeans().replace(classes=0)
