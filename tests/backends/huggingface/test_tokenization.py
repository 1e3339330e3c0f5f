"""The tokens that are scored are those of the continuation, whatever a tokenizer adds to a text."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from llmprof.backends.huggingface.chat_template import has_system_role, render_chat
from llmprof.backends.huggingface.tokenization import EncodedPair, Encoder
from llmprof.errors import BackendError
from llmprof.requests import Generate, LogLikelihood, Message, RollingLogLikelihood
from llmprof.responses import Failure
from tests.tiny_models import SENTENCES, byte_tokenizer

END = "<|endoftext|>"
CONTEXT = SENTENCES[0]


def tokenizer(folder: Path, around: str = "$A", **changes: Any) -> Any:
    made = byte_tokenizer(folder)
    end = made.convert_tokens_to_ids(END)
    made._tokenizer.post_processor = TemplateProcessing(
        single=around, special_tokens=[(END, end), ("!", made.convert_tokens_to_ids("!"))]
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "around", ["$A", f"{END} $A", f"$A {END}", f"{END} $A {END}", f"! {END} $A {END} !"]
)
def test_continuations_are_scored_whatever_is_put_around_a_text(
    tmp_path: Path, around: str
) -> None:
    made = tokenizer(tmp_path, around)
    encoder = Encoder(made)
    plain = made(" fox jumps", add_special_tokens=False).input_ids
    before = [made.convert_tokens_to_ids(each) for each in around.split("$A")[0].split()]
    pair, bare = encoder.pairs(
        [LogLikelihood(CONTEXT, " fox jumps"), LogLikelihood("", " fox jumps")], None
    )
    assert isinstance(pair, EncodedPair) and isinstance(bare, EncodedPair)
    context = before + made(CONTEXT, add_special_tokens=False).input_ids
    assert pair.tokens.tolist() == context + plain
    assert pair.scored == bare.scored == len(plain)
    assert bare.tokens.tolist() == [made.bos_token_id, *plain]
    assert encoder.prompts([Generate(CONTEXT)]) == [context]


def test_a_text_without_context_needs_a_first_token_and_no_other_does(tmp_path: Path) -> None:
    made = tokenizer(tmp_path, bos_token=None, eos_token=None)
    encoder = Encoder(made, "bare")
    pair, bare = encoder.pairs([LogLikelihood("a", " b"), LogLikelihood("", "b")], None)
    assert isinstance(pair, EncodedPair)
    assert isinstance(bare, Failure) and bare.error_class == "NoFirstToken"
    prompt, empty = encoder.prompts([Generate("a"), Generate("")])
    assert prompt == made("a").input_ids
    assert isinstance(empty, Failure)
    assert isinstance(encoder.whole(RollingLogLikelihood("a").text), Failure)


@pytest.mark.parametrize("reading", ["prompt", "rendered"])
@pytest.mark.parametrize("context", ["The men\n", "The men ", "The fo", "The men"])
@pytest.mark.parametrize("text", ["x jumps", " fox", "\nThe", "men"])
def test_exactly_what_was_written_after_a_prompt_is_scored(
    tmp_path: Path, reading: Any, context: str, text: str
) -> None:
    made = tokenizer(tmp_path, f"{END} $A")
    encoder = Encoder(made)
    (pair,) = encoder.pairs([LogLikelihood(context, text, reading)], None)
    assert isinstance(pair, EncodedPair)
    ids = pair.tokens.tolist()
    assert made.decode(ids[-pair.scored :]) == text
    assert ids[: -pair.scored] == encoder.encode([context], special=reading == "prompt")[0]


def test_a_reading_is_part_of_the_key_only_where_it_is_not_the_usual_one() -> None:
    assert LogLikelihood("a ", "b").canonical() == {"context": "a ", "continuation": "b"}
    assert LogLikelihood("a ", "b", "prompt").canonical()["reading"] == "prompt"


def test_tokens_without_an_embedding_are_named(tmp_path: Path) -> None:
    made = tokenizer(tmp_path)
    size = len(made)
    made.add_tokens(["quokka"])
    encoder = Encoder(made, "small", vocabulary=size)
    assert encoder.prompts([Generate("a nurse")])
    for ask in (
        lambda: encoder.prompts([Generate("a quokka")]),
        lambda: encoder.pairs([LogLikelihood("a", " quokka")], None),
        lambda: encoder.whole("quokka"),
    ):
        with pytest.raises(BackendError, match=f"ids up to {size}.*embeddings for {size}.*quokka"):
            ask()


TURNS = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (TURNS, True),
        (NO_SYSTEM + TURNS, False),
        ("{% for m in messages if m['role'] == 'user' %}{{ m['content'] }}{% endfor %}", False),
        ("{{ messages[0]['content'] / 2 }}", True),  # broken for every conversation
    ],
)
def test_whether_a_template_takes_a_system_message_is_tried(
    tmp_path: Path, template: str, expected: bool
) -> None:
    assert has_system_role(tokenizer(tmp_path, chat_template=template)) == expected


@pytest.mark.parametrize(
    "template", ["{% for %}", "{{ nothing.at.all }}", "{{ 1 / 0 }}", NO_SYSTEM, "{{ 'a' + 1 }}", ""]
)
def test_broken_templates_are_one_line_with_the_cure(tmp_path: Path, template: str) -> None:
    made = tokenizer(tmp_path, chat_template=template or None)
    with pytest.raises(BackendError, match="--prompt-format completion") as caught:
        render_chat(made, "tiny", [Message("system", "x"), Message("user", "y")])
    assert "\n" not in str(caught.value)
    assert "system, user" in str(caught.value)
