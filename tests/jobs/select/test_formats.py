"""The lines that are written, form by form."""

from llmprof.jobs.select import FORMATS
from llmprof.jobs.select.training_file import Example
from llmprof.metrics.samples import Sample
from llmprof.requests import Message
from tests.jobs.select.pools import candidate

EXAMPLE = Example(
    prompt="Why?",
    messages=(Message("system", "Be brief."), Message("user", "Why?")),
    chosen=candidate(" Because.", {"mtld": 2.0}, index=3),
    rejected=candidate("No.", {"mtld": 1.0}, index=1),
)
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


def place(sample: Sample) -> dict[str, object]:
    return {"sample_index": sample.sample_index}


def test_each_form_has_the_fields_that_trainers_read() -> None:
    lines = {name: write(EXAMPLE, place) for name, write in FORMATS.items()}
    best, worst = {"sample_index": 3}, {"sample_index": 1}
    answer = [{"role": "assistant", "content": " Because."}]
    assert lines == {
        "prompt-completion": {"prompt": "Why?", "completion": " Because.", "provenance": best},
        "messages": {"messages": ASKED + answer, "provenance": best},
        "preference": {
            "prompt": "Why?",
            "chosen": " Because.",
            "rejected": "No.",
            "chosen_provenance": best,
            "rejected_provenance": worst,
        },
        "preference-messages": {
            "prompt": ASKED,
            "chosen": answer,
            "rejected": [{"role": "assistant", "content": "No."}],
            "chosen_provenance": best,
            "rejected_provenance": worst,
        },
    }
