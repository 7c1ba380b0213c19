"""What stands on a backbone, alone: the backbone's vectors are computed once, for all items.

It is for training on a backbone that stays as it is, and for evaluating many episodes of few items.
"""

import hashlib
from dataclasses import replace
from typing import Any

import torch

from autometa.errors import OptionError
from autometa.fewshot._backbones import Backbone, BackboneSpec
from autometa.fewshot._base import FewShotLearner
from autometa.fewshot._classes import ClassSet

_N_AT_ONCE = 500


def without_backbone(learner: FewShotLearner[Any]) -> FewShotLearner[Any]:
    """The learner for vectors of its own backbone, with weights like its own; `embedded` makes the items such vectors.

    Raises:
        OptionError: What it says does not follow from those vectors.
    """
    if not learner.ability.on_vectors:
        raise OptionError(
            f"{learner.name} needs its backbone: it adapts it, or reads its maps. Leave freeze_backbone out."
        )
    if not learner.items_apart:
        raise OptionError(
            f"With norm {learner.norm_mode!r} what a backbone makes of an item depends on the others of the episode: "
            "it cannot be computed once. Choose the norm running or none."
        )
    form = replace(learner.form, shape=(_backbone(learner).out_features,))
    vectors = BackboneSpec(name="pixels", norm=learner.norm_mode, seed=learner.spec.seed)
    head: FewShotLearner[Any] = type(learner)(form, vectors, learner.options)
    head.load_state_dict({key: value for key, value in learner.state_dict().items() if not key.startswith("backbone.")})
    return head


def with_head_of(learner: FewShotLearner[Any], head: FewShotLearner[Any]) -> None:
    """Give a learner what was trained on the vectors of its backbone."""
    learner.load_state_dict({**learner.state_dict(), **head.state_dict()})


def backbone_fingerprint(learner: FewShotLearner[Any]) -> str:
    """Twelve hexadecimal digits that are the same for the same weights."""
    weights = _backbone(learner).state_dict()
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def embedded(learner: FewShotLearner[Any], classes: ClassSet) -> ClassSet:
    """The same classes, as vectors of the learner's backbone."""
    backbone = _backbone(learner)
    was_training = learner.training
    learner.eval()
    with torch.no_grad():
        places = torch.arange(len(classes.items))
        firsts = range(0, len(places), _N_AT_ONCE)
        vectors = torch.cat([backbone(classes.gather(places[first : first + _N_AT_ONCE])) for first in firsts])
    learner.train(was_training)
    return replace(classes, items=vectors)


def _backbone(learner: FewShotLearner[Any]) -> Backbone:
    backbone = learner.get_submodule("backbone")
    assert isinstance(backbone, Backbone)
    return backbone
