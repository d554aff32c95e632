"""All tests of reading shards once more, with the shards in buckets of real S3 and GCS server programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import fs as pafs

from cluster.files import open_filesystem
from jobs.errors import JobError
from tests import gcs, s3
from tests.gcs import gcs_server
from tests.jobs import shard_files, test_bad_shards, test_shards
from tests.jobs.test_bad_shards import *  # noqa: F403 - pytest collects them here, too
from tests.jobs.test_shards import *  # noqa: F403
from tests.s3 import BUCKET, KEYS, s3_server


@pytest.fixture(scope="module", params=["s3", "gs"])
def bucket(request: pytest.FixtureRequest) -> Iterator[pafs.FileSystem]:
    server, uri = (s3_server, s3.uri) if request.param == "s3" else (gcs_server, gcs.uri)
    with pytest.MonkeyPatch.context() as patch, server() as port:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield open_filesystem(uri(port, ""))[0]


@pytest.fixture(autouse=True)
def _in_a_bucket(bucket: pafs.FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written below a local path is read from that path in the bucket."""

    def place(path: str) -> tuple[pafs.FileSystem, str]:
        whole = Path(path[: min((path.find(wild) for wild in "*?[" if wild in path), default=len(path))])
        base = whole if whole.exists() else whole.parent
        there = f"{BUCKET}{base}"
        if base.is_dir():
            if bucket.get_file_info(there).type == pafs.FileType.Directory:
                bucket.delete_dir_contents(there)
            pafs.copy_files(str(base), there, pafs.LocalFileSystem(), bucket)
        elif base.is_file():
            pafs.copy_files(str(base), there, pafs.LocalFileSystem(), bucket)
        return bucket, f"{BUCKET}{path}"

    def read(path: Path | str, *columns: object) -> object:
        try:
            return plain(path, *columns)
        except JobError as error:
            raise JobError(str(error).replace(f"{BUCKET}/", "/")) from None

    plain = shard_files.read
    monkeypatch.setattr(shard_files, "local", place)
    for module in (shard_files, test_shards, test_bad_shards):
        monkeypatch.setattr(module, "read", read, raising=False)


def test_the_tests_here_are_those_of_local_shards() -> None:
    names = {
        name for module in (test_shards, test_bad_shards) for name in vars(module) if name.startswith("test")
    }

    assert len(names) > 20
    assert names <= set(globals())
