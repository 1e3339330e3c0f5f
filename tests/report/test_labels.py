"""Labels: short, and no two equal."""

from posixpath import normpath
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llmprof.report.labels import is_short_for, label_runs, tell_apart
from llmprof.results.reader import RunRow


def labels(*runs: tuple[str, dict[str, Any]], seeds: tuple[int, ...] = ()) -> list[str]:
    return label_runs(
        [
            RunRow(
                id=f"2026112{place}T101112000000Z-abcdef",
                command="profile",
                model=model,
                backend="huggingface",
                status="complete",
                error=None,
                seed=seed,
                started_at=f"2026-11-2{place}T10:11:12+00:00",
                finished_at=None,
                git_revision=None,
                host=None,
                command_line=None,
                python=None,
                system=None,
                processor=None,
                device=None,
                parameters=None,
                config=config,
                versions={},
            )
            for place, ((model, config), seed) in enumerate(
                zip(runs, seeds or [0] * len(runs), strict=True)
            )
        ]
    )


def config(quantization: str = "none", dtype: str = "fp32", **values: Any) -> dict[str, Any]:
    return {"identity": {"dtype": dtype, "quantization": quantization}, **values}


def test_models_go_by_the_last_part_of_their_names() -> None:
    assert labels(("org/a", config()), ("runs/b/", config("4bit"))) == ["a", "b"]
    assert labels(("org/a", config()), ("other/a", config())) == ["org/a", "other/a"]


def test_folders_of_one_name_show_as_much_of_their_paths_as_differs() -> None:
    folders = ("/x/runA/out/step-5", "/x/runB/out/step-5", "step-5", "/x/runB/out/step-6")
    assert labels(*((folder, config()) for folder in folders)) == [
        "runA/out/step-5", "runB/out/step-5", "step-5", "step-6",
    ]  # fmt: skip
    adapters = ("base + runA/step-5", "base + runB/step-5")
    assert labels(*((each, config()) for each in adapters)) == ["runA/step-5", "runB/step-5"]
    assert is_short_for("runA/step-5", adapters[0]) and not is_short_for("base", adapters[0])


PATHS = st.builds(
    lambda root, parts, slash: root + "/".join(parts) + slash,
    st.sampled_from(["", "/"]),
    st.lists(st.sampled_from(["runA", "runB", "step-5"]), min_size=1, max_size=4),
    st.sampled_from(["", "/"]),
)


@given(st.sets(PATHS, max_size=8))
def test_models_are_told_apart_by_the_shortest_ends_of_their_paths(models: set[str]) -> None:
    short = tell_apart(models)
    assert len(set(short.values())) == len(models)
    for model, label in short.items():
        others = [each for each in models if each != model]
        if label != model.rstrip("/"):
            assert model.rstrip("/").endswith(f"/{label}") or label == model
        _, _, shorter = label.lstrip("/").rstrip("/").partition("/")
        # With a part less it would be the end of another path too.
        assert not shorter or any(is_short_for(shorter, each.rstrip("/")) for each in others)


@given(PATHS, st.integers(1, 4))
def test_a_model_is_found_by_every_end_of_its_path(model: str, parts: int) -> None:
    path = normpath(model)
    ending = "/".join(path.split("/")[-parts:])
    assert is_short_for(ending, path) and is_short_for(f"{ending}/", path)
    assert not is_short_for(f"other/{ending}", path)
    assert not is_short_for(ending.lstrip("/")[1:], path)


def test_runs_of_one_model_go_by_what_differs() -> None:
    quantized = [("m", config(each)) for each in ("none", "8bit", "4bit")]
    assert labels(*quantized) == ["fp32", "8bit", "4bit"]
    assert labels(("m", config()), ("m", config()), seeds=(0, 1)) == ["seed 0", "seed 1"]
    assert labels(("m", config(limit=None)), ("m", config(limit=8))) == ["all items", "first 8"]
    options = [("m", config(options={"max_new_tokens": each})) for each in (64, 128)]
    assert labels(*options) == ["max_new_tokens 64", "max_new_tokens 128"]
    assert labels(("m", config()), ("m", config())) == ["11-20 10:11", "11-21 10:11"]
    mixed = labels(("m", config()), ("m", config("4bit")), ("n", config()))
    assert mixed == ["m fp32", "m 4bit", "n"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "org/a", "b"]),
            st.builds(config, st.sampled_from(["none", "4bit"]), limit=st.sampled_from([None, 2])),
        ),
        min_size=1,
        max_size=9,
    )
)
def test_no_two_labels_are_equal(runs: list[tuple[str, dict[str, Any]]]) -> None:
    assert len(set(labels(*runs))) == len(runs)
