"""Functions that cannot be used are refused by the real command before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner.command import Recur
from tests.runner.scripts import ARTICLE, write


@pytest.mark.parametrize(
    ("module", "train", "said"),
    [
        (
            "def other(hp): ...\n",
            "",
            "Error: model.build: {folder}/article.py has no build_model; it has other\n",
        ),
        (
            "def build_model(hp):\n    raise ValueError('not today')\n",
            "",
            (
                "Error: model.build: article:build_model raised ValueError: not today "
                "(line 2 of {folder}/article.py)\n"
            ),
        ),
        (
            "import keras\n\n\ndef build_model(hp):\n    return 'a network'\n",
            "",
            "Error: model.build: returned 'a network', no Keras model or scikit-learn regressor\n",
        ),
        (
            (
                "import keras\n\n\ndef build_model(hp):\n"
                "    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])\n"
            ),
            "",
            "Error: model.build: article:build_model asks nothing of hp: there is nothing to search\n",
        ),
        (
            ARTICLE,
            ", loss: mae",
            (
                "Error: built: train.loss: article:build_model compiles its networks itself, not with mae; "
                "leave train.loss out, or the compile\n"
            ),
        ),
    ],
)
def test_a_function_that_cannot_be_used_is_refused_before_anything_is_written(
    recur: Recur, panel_folder: Path, module: str, train: str, said: str
) -> None:
    job = write(recur.folder, panel_folder, module, train=train)
    refused = recur("run", job, code=2)
    assert refused.stderr == said.format(folder=recur.folder)
    assert not recur.storage.exists()


def test_a_missing_module_is_refused_in_a_dry_run_too(recur: Recur, panel_folder: Path) -> None:
    job = write(recur.folder, panel_folder, ARTICLE)
    refused = recur("run", job, "--dry-run", "--set", "model.build=elsewhere:build", code=2)
    assert refused.stderr == (
        f"Error: model.build: there is no {recur.folder}/elsewhere.py, nor is a module elsewhere installed\n"
    )
