"""The learners by name."""

import inspect
from typing import Any

from autometa.fewshot._anil import ANIL
from autometa.fewshot._base import FewShotLearner
from autometa.fewshot._imaml import IMAML
from autometa.fewshot._maml import FOMAML, MAML
from autometa.fewshot._maml_plus_plus import MAMLPlusPlus
from autometa.fewshot._mann import MANN
from autometa.fewshot._matching import MatchingNetworks
from autometa.fewshot._meta_learner_lstm import MetaLearnerLSTM
from autometa.fewshot._meta_networks import MetaNetworks
from autometa.fewshot._meta_sgd import MetaSGD
from autometa.fewshot._nearest_neighbor import NearestNeighbor
from autometa.fewshot._pretrained import LinearHead, SimpleShot
from autometa.fewshot._prototypical import PrototypicalNetworks
from autometa.fewshot._relation import RelationNetworks
from autometa.fewshot._reptile import Reptile
from autometa.fewshot._siamese import SiameseNetworks
from autometa.fewshot._snail import SNAIL
from autometa.registry import Entry, Registry

LEARNERS: Registry[type[FewShotLearner[Any]]] = Registry("few-shot learner", group="autometa.fewshot")


def learner_entry(member: type[FewShotLearner[Any]]) -> Entry[type[FewShotLearner[Any]]]:
    """The registry entry of a learner: the first line of its docstring, its paper, and its abilities as tags."""
    summary = (inspect.getdoc(member) or "").partition("\n")[0].removesuffix(".")
    ability = member.ability
    tags: dict[str, str | bool] = {
        "family": ability.family,
        "order": ability.order,
        "regression": ability.regression,
        "any_way": ability.any_way,
        "trained": ability.trained,
    }
    return Entry(member.name, lambda: member, summary, ability.paper, tags)


for _member in (
    ANIL,
    FOMAML,
    IMAML,
    LinearHead,
    MAML,
    MAMLPlusPlus,
    MANN,
    MatchingNetworks,
    MetaLearnerLSTM,
    MetaNetworks,
    MetaSGD,
    NearestNeighbor,
    PrototypicalNetworks,
    RelationNetworks,
    Reptile,
    SNAIL,
    SiameseNetworks,
    SimpleShot,
):
    LEARNERS.register(learner_entry(_member))
