"""Trained learners as files: tensors in safetensors, all else in JSON; nothing that runs code."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from autometa.errors import ModelError
from autometa.fewshot._backbones import BackboneSpec, NormMode
from autometa.fewshot._base import FewShotLearner, Form
from autometa.metatraining import options_of
from autometa.metatraining import read_card as model_card

_WEIGHTS = "weights.safetensors"
_CARD = "card.json"
KIND = "few_shot_learner"
FORMAT = 1


def save_learner(learner: FewShotLearner[Any], folder: Path, card: Mapping[str, Any], *, half: bool = False) -> None:
    """Write a learner: ``weights.safetensors`` and ``card.json``, which says what it is and how it was made.

    Args:
        learner: Trained.
        folder: Is made where it is missing.
        card: What else is to be known: data, seed, command, scores; plain values for JSON.
        half: Store 16 bits of each weight.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        "kind": KIND,
        "format": FORMAT,
        "algorithm": learner.name,
        "form": {**asdict(learner.form), "shape": list(learner.form.shape)},
        "backbone": asdict(learner.spec),
        "options": asdict(learner.options),
        **card,
    }
    weights = {name: value.detach().cpu().contiguous() for name, value in learner.state_dict().items()}
    if half:
        weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    save_file(weights, folder / _WEIGHTS)
    (folder / _CARD).write_text(json.dumps(plain, indent=2) + "\n")


def load_learner(folder: Path, *, device: str = "cpu", norm: NormMode | None = None) -> FewShotLearner[Any]:
    """Read what `save_learner` wrote; no code in the files is run.

    Args:
        folder: Where it lies.
        device: Where the learner is to be.
        norm: Where batch normalization takes its statistics from, if not from where the learner was trained with;
            only ``transductive`` and ``support`` can take each other's place.

    Raises:
        ModelError: There is no learner, or it is damaged or of a newer version.
    """
    card = read_card(folder)
    spec = BackboneSpec(**card["backbone"])
    if norm is not None and norm != spec.norm:
        if {norm, spec.norm} != {"transductive", "support"}:
            raise ModelError(
                f"The learner in {folder} was trained with norm {spec.norm}, which cannot become {norm}: only "
                "transductive and support need no averages of their own."
            )
        spec = replace(spec, norm=norm)
    learner = make_learner(card["algorithm"], _form(card["form"]), spec, card["options"])
    try:
        weights = load_file(folder / _WEIGHTS)
        learner.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
        )
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"The weights of the learner in {folder} cannot be read: {error}. Train it again.") from error
    return learner.to(device).eval()


def read_card(folder: Path) -> dict[str, Any]:
    """What a saved learner says of itself.

    Raises:
        ModelError: There is none, or one of a newer version.
    """
    return model_card(folder, KIND, FORMAT)


def make_learner(
    name: str, form: Form, spec: BackboneSpec, options: Mapping[str, Any] | None = None
) -> FewShotLearner[Any]:
    """An untrained learner of the registry.

    Raises:
        UnknownNameError: There is no such algorithm.
        OptionError: It has no such option.
    """
    from autometa.fewshot._registry import LEARNERS

    member = LEARNERS.create(name)
    learner = member(form, spec, options_of(name, member.options_class, options))
    # Convolutions with weights of each episode's own gain nothing from channels that lie side by side; others do.
    if member.ability.family != "optimization":
        learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return learner


def _form(plain: Mapping[str, Any]) -> Form:
    return Form(**{**plain, "shape": tuple(plain["shape"])})
