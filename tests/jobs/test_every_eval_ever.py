"""Records of Every Eval Ever have the fields that its schema, version 0.3.0, documents."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from llmprof.errors import LlmprofError, UnknownNameError
from llmprof.jobs.every_eval_ever import evaluation_record
from tests.command_line import llmprof as run
from tests.report.databases import add_run, pairs

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
BOUND = {"anyOf": [{"type": "number"}, {"enum": ["Infinity", "-Infinity"]}]}


def an_object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Stricter than the schema itself, which lets objects have other fields at most places."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


TEXT, NUMBER = {"type": "string"}, {"type": "number"}
RESULT = an_object(
    {
        "evaluation_name": TEXT,
        "source_data": {
            "oneOf": [
                an_object(
                    {"dataset_name": TEXT, "source_type": {"const": "hf_dataset"}, "hf_repo": TEXT},
                    {"additional_details": TEXTS},
                ),
                an_object(
                    {"dataset_name": TEXT, "source_type": {"const": "other"}},
                    {"additional_details": TEXTS},
                ),
            ]
        },
        "metric_config": an_object(
            {
                "lower_is_better": {"type": "boolean"},
                "score_type": {"const": "continuous"},
                "min_score": BOUND,
                "max_score": BOUND,
            },
            {"metric_id": TEXT, "metric_name": TEXT, "additional_details": TEXTS},
        ),
        "score_details": an_object(
            {"score": NUMBER},
            {
                "uncertainty": an_object(
                    {"num_samples": {"type": "integer"}},
                    {
                        "confidence_interval": an_object(
                            {"lower": NUMBER, "upper": NUMBER},
                            {"confidence_level": {"const": 0.95}, "method": TEXT},
                        )
                    },
                )
            },
        ),
    },
    {
        "evaluation_result_id": TEXT,
        "generation_config": an_object({}, {"additional_details": TEXTS}),
    },
)
SCHEMA = an_object(
    {
        "schema_version": {"const": "0.3.0"},
        "evaluation_id": TEXT,
        "retrieved_timestamp": {"type": "string", "pattern": r"^\d+$"},
        "source_metadata": an_object(
            {
                "source_type": {"enum": ["documentation", "evaluation_run"]},
                "source_organization_name": TEXT,
                "evaluator_relationship": {
                    "enum": ["first_party", "third_party", "collaborative", "other"]
                },
            },
            {"source_name": TEXT},
        ),
        "model_info": an_object(
            {
                "name": TEXT,
                "id": TEXT,
                "additional_details": {
                    **TEXTS,
                    "required": ["deployment_type", "model_availability"],
                    "properties": {
                        "deployment_type": {
                            "enum": ["self_deployed", "externally_managed", "unknown"]
                        },
                        "model_availability": {
                            "enum": ["open_weights", "closed_weights", "unknown"]
                        },
                    },
                },
            }
        ),
        "eval_library": an_object({"name": {"const": "llmprof"}, "version": TEXT}),
        "evaluation_results": {"type": "array", "items": RESULT, "minItems": 1},
    },
    {"evaluation_timestamp": {"type": "string", "pattern": r"^\d+$"}},
)
WHO = {"organization": "Lab", "relationship": "third_party"}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a scripted model: profiles with directions, and a run without any."""
    folder = tmp_path_factory.mktemp("records")
    done = run(
        *("profile", "org/model", "--backend", "scripted", "--data", "builtin", "--limit", "12"),
        *("--profilers", "crows_pairs,calibration,bbq,stereoset", "--cache-dir", "cache"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "llmprof.db"


def test_a_record_is_valid(db: Path) -> None:
    made = evaluation_record(db, "", **WHO)
    record = json.loads(made.text, parse_constant=lambda name: pytest.fail(name))
    Draft7Validator(SCHEMA).validate(record)
    if find_spec("every_eval_ever") is not None:
        from every_eval_ever.schema import schema_json

        Draft7Validator(schema_json()).validate(record)
    assert len(record["evaluation_results"]) == made.results > 3
    for result in record["evaluation_results"]:
        config, score = result["metric_config"], result["score_details"]["score"]
        low, high = (float(config[name].replace("Infinity", "inf")
                           if isinstance(config[name], str) else config[name])
                     for name in ("min_score", "max_score"))  # fmt: skip
        assert math.isfinite(score) and low <= score <= high
    ids = [each["evaluation_result_id"] for each in record["evaluation_results"]]
    assert len(set(ids)) == len(ids)


def test_a_metric_with_its_ideal_in_between_is_left_out_and_told(db: Path) -> None:
    made = evaluation_record(db, "", **WHO)
    assert "crows_pairs/stereotype_score" in made.left_out
    assert "stereotype_score" not in made.text
    done = run("export", "every-eval-ever", "--organization", "Lab", "--relationship", "other",
               cwd=db.parent)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source_metadata"]["evaluator_relationship"] == "other"
    assert "crows_pairs/stereotype_score" in done.stderr


def test_bad_input_is_one_clear_line(db: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="first_party, third_party"):
        evaluation_record(db, "", organization="Lab", relationship="self")
    with pytest.raises(LlmprofError, match=r"^[^\n]*--organization[^\n]*$"):
        evaluation_record(db, "", organization=" ", relationship="other")
    other = tmp_path / "llmprof.db"
    add_run(other, "model", pairs([1.0, 0.0]))
    with pytest.raises(LlmprofError, match=r"^run [^\n]* has no metric[^\n]*$"):
        evaluation_record(other, "", **WHO)
