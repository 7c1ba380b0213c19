"""Cards of trained models: what each is, and which ones ship with autometa."""

import json
from pathlib import Path
from typing import Any

from autometa.config import shipped
from autometa.errors import ModelError, UnknownNameError

_CARD = "card.json"
_NOUNS = {"few_shot_learner": "few-shot learner", "learned_optimizer": "learned optimizer"}


def read_card(folder: Path, kind: str, version: int) -> dict[str, Any]:
    """What a saved model says of itself.

    Args:
        folder: Where it lies.
        kind: What it must be.
        version: The format that is read.

    Raises:
        ModelError: There is none, or one of another kind or a newer format.
    """
    noun = _NOUNS[kind]
    try:
        card = json.loads((folder / _CARD).read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no {noun}: {error}. Name the folder of a training.") from error
    if not isinstance(card, dict) or card.get("kind", kind) != kind:
        raise ModelError(f"{folder} holds no {noun}: its card says {card.get('kind') if card else card!r}.")
    if card.get("format") != version:
        raise ModelError(
            f"The {noun} in {folder} is of format {card.get('format')!r}, but this version reads {version}."
        )
    return card


def shipped_models(kind: str) -> dict[str, Path]:
    """The models of a kind that come with autometa, by name, each with its folder."""
    cards = sorted((shipped("meta_db") / "models").glob(f"*/{_CARD}"))
    return {card.parent.name: card.parent for card in cards if json.loads(card.read_text()).get("kind") == kind}


def shipped_model(kind: str, name: str, way_out: str) -> Path:
    """The folder of a model that comes with autometa.

    Raises:
        UnknownNameError: There is none of that name; the message ends with ``way_out``.
    """
    known = shipped_models(kind)
    if name not in known:
        raise UnknownNameError(
            f"{name!r} is neither a folder nor a shipped {_NOUNS[kind]}. Shipped: {', '.join(known) or 'none'}. "
            f"{way_out}"
        )
    return known[name]
