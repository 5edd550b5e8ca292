"""What drift does to a model: its predictions, decisions and losses; whether it matters; what no column shows alone.

| module | tells |
| --- | --- |
| `observed` | predictions, decisions, known labels and losses of a batch, as columns beside its features |
| `concept` | whether the realised loss is beyond what the reference's own stretches cost |
| `material` | whether the model's predictions or its loss move |
| `domain_classifier` | whether a classifier can tell the batch from the reference in any way |
| `estimate` | what the metric should be, before labels are known |
"""

from __future__ import annotations

from tasks.drift.model.concept import ConceptDrift, concept_drift
from tasks.drift.model.domain_classifier import Multivariate, domain_classifier
from tasks.drift.model.estimate import Estimate, estimated_performance
from tasks.drift.model.history import CountedMeans, counted_means
from tasks.drift.model.labels import Labels, known_labels
from tasks.drift.model.material import Material, material
from tasks.drift.model.observed import ObservedModel, observed_model

__all__ = [
    "ConceptDrift",
    "CountedMeans",
    "Estimate",
    "Labels",
    "Material",
    "Multivariate",
    "ObservedModel",
    "concept_drift",
    "counted_means",
    "domain_classifier",
    "estimated_performance",
    "known_labels",
    "material",
    "observed_model",
]
