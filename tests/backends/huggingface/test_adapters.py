"""An adapter's answers are PEFT's own, and its weights are part of the identity."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface.model import LocalModel
from llmprof.errors import BackendError, ModelNotFoundError, UsageError
from llmprof.requests import LogLikelihood
from llmprof.responses import TokenLogProbs
from tests.backends.conftest import Ask
from tests.tiny_models import SENTENCES, save_llama

REQUESTS = [LogLikelihood(SENTENCES[0], " She was good."), LogLikelihood("The", " men were known")]


def save_adapter(base: Path, folder: Path, seed: int = 0) -> Path:
    """A LoRA adapter whose weights are all random, so that it changes every answer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def adapter(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tiny_llama, tmp_path_factory.mktemp("adapter"))


def with_peft(base: Path, adapter: Path, request: LogLikelihood) -> list[float]:
    """Token log-probabilities by PEFT alone, full logits, one request."""
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    network: Any = AutoPeftModelForCausalLM.from_pretrained(adapter).eval()
    head = tokenizer.encode(request.context)
    ids = torch.tensor([tokenizer.encode(request.context + request.continuation)])
    with torch.no_grad():
        scores = network(input_ids=ids).logits[0].log_softmax(-1)
    return [float(scores[place - 1, ids[0, place]]) for place in range(len(head), ids.shape[1])]


def test_answers_are_those_of_peft(tiny_llama: Path, adapter: Path, ask: Ask) -> None:
    options = BackendOptions(model=str(tiny_llama), adapter=str(adapter))
    answers = ask(create_backend("huggingface", options), REQUESTS)
    plain = ask(create_backend("huggingface", BackendOptions(model=str(tiny_llama))), REQUESTS)
    for request, answer, base in zip(REQUESTS, answers, plain, strict=True):
        assert isinstance(answer, TokenLogProbs) and isinstance(base, TokenLogProbs)
        expected = with_peft(tiny_llama, adapter, request)
        assert answer.per_token == pytest.approx(expected, abs=1e-4)
        assert answer.per_token != pytest.approx(base.per_token, abs=1e-2)


def test_identity_follows_the_adapters_weights(
    tiny_llama: Path, adapter: Path, tmp_path: Path
) -> None:
    def identity(folder: Path) -> Any:
        return LocalModel(BackendOptions(model=str(tiny_llama), adapter=str(folder))).identity

    again = save_adapter(tiny_llama, tmp_path / "again")
    assert identity(again) == identity(adapter)
    assert identity(save_adapter(tiny_llama, tmp_path / "other", seed=1)) != identity(adapter)
    assert LocalModel(BackendOptions(model=str(tiny_llama))).identity["adapter"] is None


def test_a_folder_of_an_adapter_alone_is_put_on_its_base(
    tiny_llama: Path, adapter: Path, ask: Ask, tmp_path: Path
) -> None:
    both = BackendOptions(model=str(tiny_llama), adapter=str(adapter))
    alone = create_backend("huggingface", BackendOptions(model=str(adapter)))
    apart = create_backend("huggingface", both)
    assert (alone.model, alone.identity) == (apart.model, apart.identity)
    assert ask(alone, REQUESTS[:1]) == ask(apart, REQUESTS[:1])
    config = json.loads((adapter / "adapter_config.json").read_text())
    for base, words in (
        (None, "does not say which model it was trained on"),
        ("/gone", "there is no model folder /gone"),
    ):
        config["base_model_name_or_path"] = base
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
        with pytest.raises(ModelNotFoundError, match=rf"^[^\n]*{words}[^\n]*$"):
            create_backend("huggingface", BackendOptions(model=str(tmp_path)))
    with pytest.raises(ModelNotFoundError, match="holds an adapter alone"):
        LocalModel(BackendOptions(model=str(adapter)))


def test_adapter_of_another_model_is_refused(adapter: Path, tmp_path: Path) -> None:
    wider = save_llama(tmp_path, hidden_size=128)
    model = LocalModel(BackendOptions(model=str(wider), adapter=str(adapter)))
    with pytest.raises(BackendError, match="does not fit the model") as caught:
        _ = model.network
    assert "\n" not in str(caught.value)


def test_adapter_that_lacks_weights_is_refused(
    tiny_llama: Path, adapter: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(adapter / "adapter_model.safetensors")
    weights.pop(next(iter(weights)))
    save_file(weights, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    model = LocalModel(BackendOptions(model=str(tiny_llama), adapter=str(tmp_path)))
    with pytest.raises(BackendError, match="missing adapter keys"):
        _ = model.network


def test_learned_prompt_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    from peft import PromptTuningConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    base = AutoModelForCausalLM.from_pretrained(tiny_llama)
    get_peft_model(base, config).save_pretrained(str(tmp_path))
    model = LocalModel(BackendOptions(model=str(tiny_llama), adapter=str(tmp_path)))
    with pytest.raises(UsageError, match="learned prompt"):
        _ = model.network


def test_folder_that_is_no_adapter_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    asked = BackendOptions(model=str(tiny_llama), adapter=str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="holds no adapter_config"):
        create_backend("huggingface", asked)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    (tmp_path / "adapter_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(ModelNotFoundError, match=r"as a pickle.*--allow-pickle"):
        create_backend("huggingface", asked)
