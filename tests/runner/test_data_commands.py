"""``recur data``: what it prints, where, and what it refuses."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from cluster.errors import ClusterError
from jobs.errors import JobError
from jobs.jobfile import load_job, parse_job
from runner.data_commands import data

CSV = "date,shop,note,sales\n2024-01-01,a,fine,1.5\n2024-01-02,a,rain,2\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with one CSV file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text(CSV)
    return tmp_path


def recur(*arguments: str) -> Result:
    return CliRunner().invoke(data, arguments, catch_exceptions=False)


def test_import_prints_what_was_written_and_a_job_to_begin_with(folder: Path) -> None:
    result = recur("import", "a.csv", "--out", "demo", "--series", "shop")

    size = sum(path.stat().st_size for path in (folder / "demo").iterdir())
    assert result.stderr == ""
    assert result.stdout == (
        f"demo: 2 rows in 1 shard ({size / 1e6:.3g} MB)\n"
        "time     date (timestamp[ns])\n"
        "series   shop\n"
        "numbers  sales\n"
        "text     note, because of 'fine' in row 2 of a.csv\n"
        "\n"
        "Next, save this as job.yaml with the target and horizon you want:\n"
        "\n"
        "name: first\n"
        "data:\n"
        "  path: demo\n"
        "  time: date\n"
        "  series: shop\n"
        "  target: sales\n"
        "window:\n"
        "  horizon: 24\n"
        "\n"
        "and type: recur run job.yaml\n"
    )


@pytest.mark.usefixtures("folder")
def test_the_job_that_import_prints_is_valid() -> None:
    printed = recur("import", "a.csv", "--out", "demo").stdout

    job = parse_job(printed.partition("you want:\n")[2].partition("and type")[0], source="printed")

    assert (job.data.path, job.data.time, job.data.series, job.data.target) == (
        "demo",
        "date",
        None,
        ("sales",),
    )


def test_import_without_numbers_says_so_instead_of_what_to_run(folder: Path) -> None:
    (folder / "a.csv").write_text("date,x\n2024-01-01,1\n2024-01-02,?\n")

    lines = recur("import", "a.csv", "--out", "demo").stdout.splitlines()

    assert lines[3:] == [
        "numbers  none",
        "text     x, because of '?' in row 3 of a.csv",
        "",
        "No column holds nothing but numbers; correct the values above and import again with --replace.",
    ]


def test_import_with_json_prints_one_document(folder: Path) -> None:
    result = recur("import", "a.csv", "--out", "demo", "--rows-per-shard", "1", "--time", "date", "--json")

    assert result.stderr == ""
    assert json.loads(result.stdout) == {
        "out": "demo",
        "shards": 2,
        "rows": 2,
        "bytes": sum(path.stat().st_size for path in (folder / "demo").iterdir()),
        "time": "date",
        "series": None,
        "columns": {"date": "timestamp[ns]", "shop": "string", "note": "string", "sales": "double"},
        "numbers": ["sales"],
        "text": {"shop": "'a' in row 2 of a.csv", "note": "'fine' in row 2 of a.csv"},
    }


def test_import_takes_several_sources_as_a_shell_expands_them(folder: Path) -> None:
    (folder / "b.csv").write_text(CSV)

    document = json.loads(recur("import", "a.csv", "b.csv", "--out", "demo", "--json").stdout)

    assert document["rows"] == 4


def test_import_of_wide_tables_names_what_it_makes(folder: Path) -> None:
    (folder / "columns.csv").write_text("date,a,b\n2024-01-01,1,2\n")
    (folder / "rows.csv").write_text("id,V1,V2\na,1,2\n")
    names = ["--series", "shop", "--value", "sales", "--json"]

    columns = recur("import", "columns.csv", "--wide", "columns", "--out", "one", *names)
    rows = recur("import", "rows.csv", "--wide", "rows", "--time", "hour", "--out", "two", *names)

    assert json.loads(columns.stdout)["columns"] == {
        "date": "timestamp[ns]",
        "shop": "string",
        "sales": "double",
    }
    assert json.loads(rows.stdout)["columns"] == {"hour": "int64", "shop": "string", "sales": "double"}


@pytest.mark.usefixtures("folder")
def test_import_offers_numbers_of_every_type_as_targets() -> None:
    table = pa.table(
        {"t": pa.array([0, 1], pa.timestamp("s")), "id": [1, 2], "n": [1, 2], "note": ["a", "b"]}
    )
    pq.write_table(table, "a.parquet")

    lines = recur("import", "a.parquet", "--out", "demo", "--series", "id").stdout.splitlines()

    assert lines[1:5] == ["time     t (timestamp[ns])", "series   id", "numbers  n", ""]
    assert "  target: n" in lines


def test_errors_of_import_reach_the_caller_and_replace_is_obeyed(folder: Path) -> None:
    recur("import", "a.csv", "--out", "demo")

    with pytest.raises(JobError) as error:
        recur("import", "a.csv", "--out", "demo")
    found = f"{folder}/demo: the folder is not empty; give another one, or --replace to replace it"
    assert str(error.value) == found

    assert recur("import", "a.csv", "--out", "demo", "--replace").exit_code == 0


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "--out", "demo"],
        ["import", "a.csv"],
        ["import", "a.csv", "--out", "d", "--rows-per-shard", "0"],
        ["import", "a.csv", "--out", "d", "--wide", "lines"],
    ],
)
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    assert recur(*arguments).exit_code == 2


def test_out_may_be_a_uri(folder: Path) -> None:
    document = json.loads(recur("import", "a.csv", "--out", f"file://{folder}/demo", "--json").stdout)

    assert document["out"] == f"file://{folder}/demo"
    assert pq.read_table(folder / "demo").num_rows == 2


@pytest.mark.usefixtures("folder")
def test_a_uri_of_no_known_storage_is_refused() -> None:
    with pytest.raises(ClusterError) as error:
        recur("import", "a.csv", "--out", "nowhere://b/demo")

    assert str(error.value) == (
        "nowhere://b/demo: cannot be opened (Unrecognized filesystem type in URI: nowhere://b/demo); "
        "give a folder or another URI"
    )


def test_sample_prints_the_best_possible_error_and_what_to_type_next(folder: Path) -> None:
    result = recur("sample", "--out", "my demo", "--series", "2", "--shards", "3")

    first, second, blank, following = result.stdout.splitlines()
    assert first == "my demo: 4,000 rows of 2 series in 3 shards"
    assert second.startswith("best possible mse 0.0")
    assert second.endswith(" in units of the target's variance (0.01 in its own)")
    assert (blank, following) == ("", "Next, type: recur run 'my demo/job.yaml'")
    assert load_job(folder / "my demo" / "job.yaml").data.path == str(folder / "my demo")


def test_sample_with_json_prints_one_document(folder: Path) -> None:
    options = ["--length", "240", "--noise", "0.5", "--seed", "9"]

    document = json.loads(recur("sample", "--out", "demo", *options, "--json").stdout)

    assert document.pop("deviation") ** 2 * document.pop("best_scaled_mse") == pytest.approx(0.25)
    assert document == {"out": "demo", "shards": 4, "rows": 240, "series": 1, "best_mse": 0.25}
    assert load_job(folder / "demo" / "job.yaml").search.seed == 9
    again = json.loads(recur("sample", "--out", "demo", *options, "--replace", "--json").stdout)
    assert again["rows"] == 240


def test_sample_at_a_uri_tells_how_to_run_its_job_from_here(folder: Path) -> None:
    uri = f"file://{folder}/demo"

    following = recur("sample", "--out", uri).stdout.splitlines()[-1]

    wanted = f"Next, copy {uri}/job.yaml here and type: recur run job.yaml --set data.path={uri}"
    assert following == wanted
    assert load_job(folder / "demo" / "job.yaml", [f"data.path={uri}"]).data.path == uri


def test_progress_is_shown_on_a_terminal_and_wiped(folder: Path) -> None:
    here, there = pty.openpty()
    program = "from runner.data_commands import data; data()"
    command = [sys.executable, "-c", program, "import", "a.csv", "--out", "demo", "--time", "date", "--json"]

    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        command,
        stderr=there,
        stdout=subprocess.PIPE,
        check=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
    )

    shown = os.read(here, 1000).decode()
    os.close(here)
    os.close(there)
    assert re.fullmatch(
        r"\r\x1b\[2K2 rows read \(100%\)(\r\x1b\[2K2 rows written \(100%\))?\r\x1b\[2K", shown
    )
    assert json.loads(done.stdout)["rows"] == 2


def test_help_needs_neither_arrow_nor_numpy() -> None:
    program = (
        "import sys; from runner.data_commands import data; data(['--help'], standalone_mode=False); "
        "sys.exit(bool({'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]

    assert (
        subprocess.run([sys.executable, "-c", program], cwd=root, check=False, capture_output=True).returncode
        == 0
    )
