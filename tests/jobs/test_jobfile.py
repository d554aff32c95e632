"""Job files: YAML as people write it, ``--set``, and a sentence for what cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given, settings

from jobs.dimensions import Choice, Dimension, Float, Int
from jobs.errors import JobError
from jobs.jobfile import dump_job, load_job, parse_job
from tests.jobs.small import MINIMAL, job, refusal

# Reading and writing


@st.composite
def whole_ranges(draw: st.DrawFn) -> dict[str, Any]:
    low, step, count = draw(st.integers(1, 500)), draw(st.integers(2, 9)), draw(st.integers(0, 6))
    if draw(st.booleans()):
        return {"int": {"min": low, "max": low * step**count, "step": step, "sampling": "log"}}
    return {"int": {"min": low, "max": low + step * count, "step": step}}


@st.composite
def real_ranges(draw: st.DrawFn) -> dict[str, Any]:
    low, high = sorted(draw(st.lists(st.floats(1e-12, 1e6), min_size=2, max_size=2)))
    sampling = draw(st.sampled_from(["linear", "log"]))
    return {"float": {"min": low, "max": high, "sampling": sampling}}


@st.composite
def choices(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    return {"choice": draw(st.lists(values, min_size=1, max_size=4, unique=True))}


UNITS = st.integers(1, 200) | whole_ranges() | choices(st.integers(1, 200))
CELLS = st.sampled_from(["simple_rnn", "lstm", "gru"])


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    cell=CELLS | choices(CELLS),
    layers=UNITS | st.lists(st.fixed_dictionaries({}, optional={"units": UNITS, "cell": CELLS}), min_size=1),
    units=UNITS,
    rate=st.floats(1e-9, 1e3) | real_ranges(),
    per_layer=st.booleans(),
    reset=st.booleans() | st.just({"boolean": None}),
    split=st.fixed_dictionaries(
        {"validation": st.floats(0.01, 0.4) | st.integers(1, 99), "test": st.just(0)}
    ),
)
def test_what_is_written_is_read_back_the_same(
    *,
    cell: Any,
    layers: Any,
    units: Any,
    rate: Any,
    per_layer: bool,
    reset: Any,
    split: Any,
) -> None:
    raw = yaml.safe_load(MINIMAL)
    raw["data"]["split"] = split
    raw["model"] = {"cell": cell, "layers": layers, "units": units, "reset_after": reset}
    raw["model"]["per_layer"] = per_layer
    raw["train"] = {"learning_rate": rate}
    first = job(text=yaml.safe_dump(raw))

    text = dump_job(first)

    assert job(text=text) == first
    assert dump_job(job(text=text)) == text


def test_what_is_written_is_plain_yaml_with_every_default() -> None:
    text = dump_job(job("model.units={int: {min: 4, max: 8, step: 2}}", "train.learning_rate=1e-5"))

    assert text.startswith(
        "name: tiny\ndata:\n  path: data/\n  time: date\n  series: null\n  target:\n  - y\n"
    )
    assert "  units:\n    int:\n      min: 4\n      max: 8\n      step: 2\n" in text
    assert "  learning_rate: 1.0e-05\n" in text


@pytest.mark.parametrize(
    ("written", "read"),
    [("1e-3", 1e-3), ("1E-3", 1e-3), ("1.0e-3", 1e-3), ("1.e-3", 1e-3), (".5e-2", 5e-3), ("+2e0", 2.0)],
)
def test_a_number_with_an_exponent_needs_no_point(written: str, read: float) -> None:
    assert job(f"train.learning_rate={written}").train.learning_rate == read
    in_file = job(text=f"{MINIMAL}train: {{learning_rate: {written}}}\n")
    assert in_file.train.learning_rate == read


def test_a_word_with_an_e_stays_a_word() -> None:
    assert job("name=1e-3x", "data.target='1e3'").name == "1e-3x"


def test_the_three_dimensions_are_read_as_such() -> None:
    read = job(
        "model.units={int: {min: 4, max: 8}}",
        "model.dropout={float: {min: 0.0, max: 0.5, step: 0.1}}",
        "model.cell={choice: [gru, lstm]}",
    ).model

    dimensions: list[Dimension] = [Int(min=4, max=8), Float(min=0.0, max=0.5, step=0.1)]
    assert [read.units, read.dropout, read.cell] == [*dimensions, Choice(options=("gru", "lstm"))]


def test_an_alias_is_a_copy_so_that_setting_one_sets_no_other() -> None:
    text = f"{MINIMAL}model:\n  layers:\n  - &first {{units: 4}}\n  - *first\n"

    layers = job("model.layers.0.units=9", text=text).model.layers

    assert isinstance(layers, tuple)
    assert [layer.units for layer in layers] == [9, 4]


def test_a_merged_mapping_gives_its_keys() -> None:
    text = f"{MINIMAL}model:\n  layers:\n  - &first {{units: 4, cell: lstm}}\n  - {{<<: *first, units: 5}}\n"

    layers = job(text=text).model.layers

    assert isinstance(layers, tuple)
    assert [(layer.cell, layer.units) for layer in layers] == [("lstm", 4), ("lstm", 5)]


# Files


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("data/", "{}/data/"),
        ("../x/*.parquet", "{}/../x/*.parquet"),
        ("/a/b", "/a/b"),
        ("s3://b/c", "s3://b/c"),
    ],
)
def test_data_are_found_from_the_job_files_folder(tmp_path: Path, path: str, read: str) -> None:
    (tmp_path / "job.yaml").write_text(MINIMAL)

    found = load_job(tmp_path / "job.yaml", [f"data.path={path}"])

    assert found.data.path == read.format(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    for name, reason in [("no.yaml", "No such file or directory"), ("latin.yaml", "it is not UTF-8 text")]:
        with pytest.raises(JobError) as error:
            load_job(tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}: the job file cannot be read: {reason}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a job file is a mapping of fields such as name and data, found nothing"),
        ("- a\n", "a job file is a mapping of fields such as name and data, found a list"),
        ("name: a\nname: b\n", "not valid YAML: key 'name' is given twice (line 2)"),
        (
            f"{MINIMAL}model:\n  units: 3\n  units: 4\n",
            "not valid YAML: key 'units' is given twice (line 6)",
        ),
        ("a: [1\nb: 2\n", "not valid YAML: expected ',' or ']', but got ':' (line 2, column 2)"),
        ("a: b: c\n", "not valid YAML: mapping values are not allowed here (line 1, column 5)"),
        (
            "a:\tb\n\tc: 1",
            "not valid YAML: found character '\\t' that cannot start any token (line 1, column 3)",
        ),
        ("a: *b\n", "not valid YAML: found undefined alias 'b' (line 1, column 4)"),
        ("? [a, b]\n: 1\n", "not valid YAML: a key is a plain word (line 1)"),
        ("? {a: 1}\n: 1\n", "not valid YAML: a key is a plain word (line 1)"),
        ("a: &a [*a]\n", "not valid YAML: nested too deeply, or an alias holds itself"),
        ("a: &x {k: *x}", "not valid YAML: nested too deeply, or an alias holds itself"),
        ("[" * 5000, "not valid YAML: nested too deeply, or an alias holds itself"),
        ("\x00", "not valid YAML: unacceptable character #x0000: special characters are not allowed"),
        (
            "a:\n  b: 2024-13-45\n",
            "not valid YAML: '2024-13-45': month must be in 1..12 (line 2, column 6)",
        ),
        (
            "a: !!python/object:os.system x\n",
            (
                "not valid YAML: could not determine a constructor for the tag "
                "'tag:yaml.org,2002:python/object:os.system' (line 1, column 4)"
            ),
        ),
        (f"{MINIMAL}1: 2\n", "1: keys should be strings, found 1"),
    ],
)
def test_bad_yaml_is_told_with_its_line(text: str, sentence: str) -> None:
    assert refusal(text=text) == f"job.yaml: {sentence}"


# Overrides


def test_set_reaches_sections_that_the_file_leaves_out_and_items_of_lists() -> None:
    read = job(
        "model.layers=[{cell: gru}, {cell: lstm}]",
        "model.layers.1.units=7",
        "train.early_stopping=null",
        "data.split.test=0.1",
        "data.split.test=0.3",
    )

    assert isinstance(read.model.layers, tuple)
    assert [(layer.cell, layer.units) for layer in read.model.layers] == [("gru", None), ("lstm", 7)]
    assert (read.train.early_stopping, read.data.split.test) == (None, 0.3)


def test_set_fills_a_section_that_is_empty_in_the_file() -> None:
    assert job("train.max_epochs=7", text=f"{MINIMAL}train:\n").train.max_epochs == 7


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.max_epochs", "write it as section.field=value, for example train.max_epochs=10"),
        ("=3", "write it as section.field=value, for example train.max_epochs=10"),
        ("name.x=3", "there is nothing called 'x' to set in the job file"),
        (
            "train.max_epochs=[",
            ("not valid YAML: expected the node content, but found '<stream end>' (line 1, column 2)"),
        ),
        ("model={units: 3, units: 4}", "not valid YAML: key 'units' is given twice (line 1)"),
        (
            "window.horizon=2024-13-45",
            ("not valid YAML: '2024-13-45': month must be in 1..12 (line 1, column 1)"),
        ),
    ],
)
def test_an_override_that_cannot_be_is_named(override: str, sentence: str) -> None:
    assert refusal(override) == f"--set {override}: {sentence}"


@pytest.mark.parametrize("part", ["1", "x", "-1"])
def test_an_override_reaches_only_layers_that_are_listed(part: str) -> None:
    override = f"model.layers.{part}.units=3"

    assert refusal("model.layers=[{cell: gru}]", override) == (
        f"--set {override}: there is nothing called {part!r} to set in the job file"
    )


def test_an_override_of_an_unknown_key_is_refused_as_in_the_file() -> None:
    assert refusal("train.max_epoch=3") == "job.yaml: train.max_epoch: unknown key; did you mean max_epochs?"


def test_the_source_is_what_the_error_calls_it() -> None:
    with pytest.raises(JobError, match=r"^here: not valid YAML: key 'a' is given twice"):
        parse_job("a: 1\na: 2\n", source="here")
