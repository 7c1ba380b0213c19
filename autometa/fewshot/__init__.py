"""Few-shot learning: episodes, the whole zoo of learners, meta-training and evaluation.

`LEARNERS` knows the learners by name; `autometa.testing.fewshot` holds the checks that every one of them passes. Third
parties join through the entry-point group ``autometa.fewshot``: an `Entry` whose factory gives a `FewShotLearner`
class.
"""

from autometa.fewshot._anil import ANIL, ANILOptions
from autometa.fewshot._backbones import BACKBONES, Backbone, BackboneSpec, NormMode, make_backbone
from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._by_name import meta_train_by_name, shipped_learner, shipped_learners
from autometa.fewshot._classes import ClassSet
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.fewshot._evaluation import Evaluation, evaluate, evaluation_of, scores_of
from autometa.fewshot._frozen import embedded, without_backbone
from autometa.fewshot._glyphs import glyphs
from autometa.fewshot._images import (
    classes_of_arrays,
    read_image_folder,
    read_mini_imagenet,
    read_omniglot,
    read_tiered_imagenet,
)
from autometa.fewshot._imaml import IMAML, IMAMLOptions
from autometa.fewshot._keeping import load_learner, make_learner, read_card, save_learner
from autometa.fewshot._maml import FOMAML, MAML, MAMLOptions
from autometa.fewshot._maml_plus_plus import MAMLPlusPlus, MAMLPlusPlusOptions
from autometa.fewshot._mann import MANN, MANNOptions
from autometa.fewshot._matching import MatchingNetworks, MatchingOptions
from autometa.fewshot._meta_learner_lstm import MetaLearnerLSTM, MetaLearnerLSTMOptions
from autometa.fewshot._meta_networks import MetaNetworks, MetaNetworksOptions
from autometa.fewshot._meta_sgd import MetaSGD, MetaSGDOptions
from autometa.fewshot._mixtures import MixedEpisodes, TableEpisodes
from autometa.fewshot._nearest_neighbor import NearestNeighbor, NearestNeighborOptions
from autometa.fewshot._pretrained import LinearHead, LinearHeadOptions, SimpleShot, SimpleShotOptions
from autometa.fewshot._prototypical import PrototypicalNetworks, PrototypicalOptions
from autometa.fewshot._registry import LEARNERS, learner_entry
from autometa.fewshot._relation import RelationNetworks, RelationOptions
from autometa.fewshot._reptile import Reptile, ReptileOptions
from autometa.fewshot._sampling import EpisodeSource, UniformEpisodes, VariableEpisodes, episodes_at
from autometa.fewshot._siamese import SiameseNetworks, SiameseOptions
from autometa.fewshot._snail import SNAIL, SNAILOptions
from autometa.fewshot._stunt import StuntEpisodes, kmeans
from autometa.fewshot._synthetic import SineEpisodes
from autometa.fewshot._tables import TableTrained, TableTraining, fitting_temperature, meta_train_for_table
from autometa.fewshot._tasks import OMNIGLOT_VALIDATION, Tasks, fingerprint, read_tasks, split_tasks
from autometa.fewshot._training import Look, Training, TrainOptions, meta_train

__all__ = [
    "ANIL",
    "BACKBONES",
    "FOMAML",
    "IMAML",
    "LEARNERS",
    "MAML",
    "MANN",
    "OMNIGLOT_VALIDATION",
    "SNAIL",
    "ANILOptions",
    "Ability",
    "Backbone",
    "BackboneSpec",
    "ClassSet",
    "EpisodeSource",
    "Episodes",
    "Evaluation",
    "FewShotLearner",
    "Form",
    "IMAMLOptions",
    "LinearHead",
    "LinearHeadOptions",
    "Look",
    "MAMLOptions",
    "MAMLPlusPlus",
    "MAMLPlusPlusOptions",
    "MANNOptions",
    "MatchingNetworks",
    "MatchingOptions",
    "MetaLearnerLSTM",
    "MetaLearnerLSTMOptions",
    "MetaNetworks",
    "MetaNetworksOptions",
    "MetaSGD",
    "MetaSGDOptions",
    "MixedEpisodes",
    "NearestNeighbor",
    "NearestNeighborOptions",
    "NormMode",
    "Options",
    "Predictor",
    "PrototypicalNetworks",
    "PrototypicalOptions",
    "Recipe",
    "RelationNetworks",
    "RelationOptions",
    "Reptile",
    "ReptileOptions",
    "SNAILOptions",
    "SiameseNetworks",
    "SiameseOptions",
    "SimpleShot",
    "SimpleShotOptions",
    "SineEpisodes",
    "StuntEpisodes",
    "Support",
    "TableEpisodes",
    "TableTrained",
    "TableTraining",
    "Tasks",
    "TrainOptions",
    "Training",
    "UniformEpisodes",
    "VariableEpisodes",
    "classes_of_arrays",
    "embedded",
    "episodes_at",
    "evaluate",
    "evaluation_of",
    "fingerprint",
    "fitting_temperature",
    "glyphs",
    "kmeans",
    "learner_entry",
    "load_learner",
    "make_backbone",
    "make_learner",
    "meta_train",
    "meta_train_by_name",
    "meta_train_for_table",
    "read_card",
    "read_image_folder",
    "read_mini_imagenet",
    "read_omniglot",
    "read_tasks",
    "read_tiered_imagenet",
    "save_learner",
    "scores_of",
    "shipped_learner",
    "shipped_learners",
    "split_tasks",
    "without_backbone",
]
