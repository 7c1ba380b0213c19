"""Trained rules as files: tensors in safetensors, all else in JSON; nothing that runs code."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from autometa.errors import ModelError
from autometa.learned_optimizers._base import LearnedOptimizer
from autometa.metatraining import options_of, read_card, shipped_model, shipped_models

KIND = "learned_optimizer"
FORMAT = 1
_WEIGHTS = "weights.safetensors"
_CARD = "card.json"


def make_rule(name: str, options: Mapping[str, Any] | None = None, *, seed: int = 0) -> LearnedOptimizer[Any]:
    """An untrained rule of the registry.

    Raises:
        UnknownNameError: There is no such rule.
        OptionError: It has no such option.
    """
    from autometa.learned_optimizers._registry import RULES

    member = RULES.create(name)
    return member(options_of(name, member.options_class, options), seed=seed)


def save_rule(rule: LearnedOptimizer[Any], folder: Path, card: Mapping[str, Any]) -> None:
    """Write a rule: ``weights.safetensors`` and ``card.json``, which says what it is and how it was made.

    Args:
        rule: Trained.
        folder: Is made where it is missing.
        card: What else is to be known: data, seed, command, scores; plain values for JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"kind": KIND, "format": FORMAT, "rule": rule.name, "options": asdict(rule.options), **card}
    save_file({name: value.detach().cpu().contiguous() for name, value in rule.state_dict().items()}, folder / _WEIGHTS)
    (folder / _CARD).write_text(json.dumps(plain, indent=2) + "\n")


def load_rule(folder: Path, *, device: str = "cpu") -> LearnedOptimizer[Any]:
    """Read what `save_rule` wrote; no code in the files is run.

    Raises:
        ModelError: There is no rule, or it is damaged or of a newer version.
    """
    card = read_card(folder, KIND, FORMAT)
    try:
        rule = make_rule(card["rule"], card["options"])
    except (KeyError, TypeError) as error:
        raise ModelError(f"The card of the optimizer in {folder} is damaged: {error!r}. Train it again.") from error
    try:
        rule.load_state_dict(load_file(folder / _WEIGHTS))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"The weights of the optimizer in {folder} cannot be read: {error}. Train it again."
        ) from error
    return rule.to(device).eval()


def shipped_rules() -> dict[str, Path]:
    """The learned optimizers that come with autometa, by name, each with its folder."""
    return shipped_models(KIND)


def shipped_rule(name: str) -> Path:
    """The folder of a learned optimizer that comes with autometa.

    Raises:
        UnknownNameError: There is none of that name.
    """
    return shipped_model(KIND, name, "Train one: autometa optimizers train.")
