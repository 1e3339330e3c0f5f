"""Determines the kind of a model from its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from llmprof.errors import BackendError, UsageError

Task = Literal["causal", "multimodal", "encoder_decoder", "masked", "classification"]
TASKS: frozenset[str] = frozenset(get_args(Task))
AUTO_CLASSES: Mapping[Task, str] = {
    "causal": "AutoModelForCausalLM",
    "multimodal": "AutoModelForImageTextToText",
    "encoder_decoder": "AutoModelForSeq2SeqLM",
    "masked": "AutoModelForMaskedLM",
    "classification": "AutoModelForSequenceClassification",
}
# Weights that are tied are stored once. Of a loadable model hardly more are described than stored.
_MOST_TIMES = 2
# What a configuration may hold at these places, in words, and its type.
_EXPECTED: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "architectures": ("a list of names", list),
    "auto_map": ("a table of names", dict),
    "model_type": ("a name", str),
    "quantization_config": ("a table of settings", dict),
    "transformers_weights": ("a file name", str),
}


def check_config(values: Any, model: str) -> dict[str, Any]:
    """The values of a config.json, with the expected types.

    Raises:
        BackendError: one is not.
    """
    if not isinstance(values, dict):
        raise _broken(model, f"it is not a JSON object but {_shown(values)}")
    for name, (words, kind) in _EXPECTED.items():
        value = values.get(name)
        if value is not None and not isinstance(value, kind):
            raise _broken(model, f"{name} is {_shown(value)} and not {words}")
    names = values.get("architectures") or ()
    if not all(isinstance(name, str) for name in names):
        raise _broken(model, f"architectures is {_shown(names)} and not a list of names")
    return values


def language_task(config: Mapping[str, Any], model: str) -> Task:
    """The kind of language model that a checked configuration describes.

    The architecture that the weights were saved from decides; where a model comes with code of its
    own, the classes that this offers.

    Raises:
        UsageError: it is no language model.
    """
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto as known

    names: Sequence[str] = config.get("architectures") or ()
    model_type = str(config.get("model_type") or "")
    if any(name.endswith("ForMaskedLM") for name in names):
        return "masked"
    own = config.get("auto_map") or {}
    tasks: tuple[Task, ...] = ("causal", "encoder_decoder", "masked", "multimodal")
    for task in tasks:
        if AUTO_CLASSES[task] in own:
            return task
    by_class = known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    if any(name in by_class.values() for name in names):
        return "encoder_decoder"
    if model_type in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    if model_type in known.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return "multimodal"
    if model_type in by_class:
        return "encoder_decoder"
    if model_type in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "masked"
    if own or model_type not in CONFIG_MAPPING:
        return "causal"  # not known yet: loading it will tell
    raise UsageError(
        f"model {model} is no language model that llmprof runs ({', '.join(names) or model_type}); "
        "it runs causal, masked and encoder-decoder models, and the text part of multimodal ones"
    )


def check_parameters(config: Any, task: Task, stored: int | None, model: str) -> None:
    """Refuse a configuration of far more parameters than the weights hold, `stored`.

    transformers would reserve memory for all of them before it compares shapes. On torch's meta
    device a network takes none, and is built in less than a tenth of a second. Quantized weights
    are packed, and code of a model's own is not run here: neither is checked.

    Raises:
        BackendError: there are more than `_MOST_TIMES` as many.
    """
    is_known = not (
        getattr(config, "quantization_config", None) or getattr(config, "auto_map", None)
    )
    if stored is None or not is_known:
        return
    import torch
    import transformers

    try:
        with torch.device("meta"):
            network = getattr(transformers, AUTO_CLASSES[task]).from_config(config)
    except Exception:  # Loading it will tell.
        return
    count = sum(each.numel() for each in network.parameters())
    if count > _MOST_TIMES * stored:
        raise _broken(model, f"it describes {count:,} parameters, and the weights are {stored:,}")


def may_look_ahead(config: Mapping[str, Any], *, own_code: bool) -> bool:
    """Whether a model that is loaded as causal may be bidirectional, by its configuration alone.

    It may where the architecture is also one of masked models (BERT without `is_decoder`) or a
    permuted one (XLNet), where code of the model's own runs (`own_code`), and where a setting says
    so.
    """
    from transformers.models.auto import modeling_auto as known

    model_type = str(config.get("model_type") or "")
    if (own_code and config.get("auto_map")) or model_type in (
        *known.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        "xlnet",
    ):
        return True
    return config.get("is_causal") is False or any(
        value is True for name, value in config.items() if "bidirectional" in name
    )


def _broken(model: str, why: str) -> BackendError:
    return BackendError(
        f"the configuration of model {model} is broken: {why}; get its config.json again"
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
