"""Seeds, code, machine, and a run made again: what `services/reproduction` says of them."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.services.reproduction import code, command, seeds
from experiments.services.reproduction.agreement import compare_points
from experiments.services.reproduction.seeds import set_deterministic_seeds
from experiments.services.reproduction.snapshot import capture_environment_snapshot, compare
from experiments.services.reproduction.worktree import checked_out, repository_with
from repositories import git, made_repository

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "ghp-made-up-and-not-for-any-table"  # noqa: S105  made up, to be looked for


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in whose folder `work` the test is."""
    top = made_repository(tmp_path / "code")
    monkeypatch.chdir(top / "work")
    return top


class TestSeeds:
    @pytest.fixture(autouse=True)
    def _afresh(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """What seeding changes in the process is put back."""
        monkeypatch.setenv("PYTHONHASHSEED", "before")
        for name, value in (("_last", {}), ("_last_seed", None), ("_hash_seed", None)):
            monkeypatch.setattr(seeds, name, value)
        states = random.getstate(), np.random.get_state()
        yield
        random.setstate(states[0])
        np.random.set_state(states[1])

    def test_the_same_numbers_are_drawn_again(self) -> None:
        def drawn() -> tuple[Any, ...]:
            return random.gauss(), np.random.rand(), pd.Series(range(100)).sample(3).tolist()

        how = set_deterministic_seeds(42)
        first = drawn()
        assert drawn() != first
        set_deterministic_seeds(np.int64(42))  # type: ignore[arg-type]  # numpy's is a whole number too
        assert drawn() == first
        assert how["random"] == "random.seed(42)"
        assert how["scikit-learn"] == how["pandas"] == "draws from numpy where no random_state is given"
        assert how["xgboost"].endswith("seed=42 sets this one")

    def test_what_was_seeded_is_remembered_for_the_run(self) -> None:
        assert (seeds.seeded(), seeds.last_seed()) == ((), None)
        set_deterministic_seeds(7)
        assert {"numpy", "pandas", "random", "scikit-learn"} <= set(seeds.seeded())
        assert not {"xgboost", "lightgbm", seeds.HASHES} & set(seeds.seeded())  # these it does not determine
        assert seeds.last_seed() == 7

    def test_the_order_of_sets_is_settled_for_processes_to_come_only(self) -> None:
        set_deterministic_seeds(1)
        set_deterministic_seeds(2)
        assert os.environ["PYTHONHASHSEED"] == "2"
        assert seeds.hash_seed() == "before"  # what this one was started with
        os.environ["PYTHONHASHSEED"] = "3"
        assert seeds.hash_seed() == "3"

    @pytest.mark.parametrize("seed", [True, -1, 2**31, 1.0, "42", None, np.array([1, 2]), np.True_, "x" * 10**6])
    def test_a_seed_that_is_none_is_refused_in_one_sentence(self, seed: Any) -> None:
        state = random.getstate()
        with pytest.raises(
            InvalidInputError, match=r"the seed is .*: give a whole number from 0 to 2147483647\."
        ) as told:
            set_deterministic_seeds(seed)
        assert len(str(told.value)) < 200
        assert random.getstate() == state

    def test_torch_and_tensorflow_are_seeded_where_they_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[Any] = []
        torch: Any = ModuleType("torch")
        torch.manual_seed = lambda seed: calls.append(("torch", seed))
        torch.use_deterministic_algorithms = lambda on, warn_only: calls.append((on, warn_only))
        torch.backends = SimpleNamespace(cudnn=SimpleNamespace(deterministic=False, benchmark=True))
        tensorflow: Any = ModuleType("tensorflow")
        tensorflow.random = SimpleNamespace(set_seed=lambda seed: calls.append(("tensorflow", seed)))
        determinism = SimpleNamespace(enable_op_determinism=lambda: calls.append("operations"))
        tensorflow.config = SimpleNamespace(experimental=determinism)
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
        how = set_deterministic_seeds(5)
        assert calls == [("torch", 5), (True, True), ("tensorflow", 5), "operations"]
        assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (True, False)
        assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
        assert how["torch"].startswith("torch.manual_seed(5)")
        assert {"torch", "tensorflow"} <= set(seeds.seeded())

    def test_one_that_cannot_be_imported_is_said_not_to_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)  # what importing it then raises is an ImportError
        assert set_deterministic_seeds(5)["torch"].startswith("not seeded, it cannot be imported: import of torch")
        assert "torch" not in seeds.seeded()


class TestCode:
    def test_a_clean_repository(self, repository: Path) -> None:
        git(repository, "remote", "add", "origin", f"https://me:{TOKEN}@example.org/team/code.git?token={TOKEN}")
        found = code.state()
        assert found == code.CodeState(
            commit=git(repository, "rev-parse", "HEAD"),
            branch="trunk",
            dirty=False,
            remote="https://example.org/team/code.git",
            folder="work",
        )
        assert code.state(repository).folder == "."
        assert TOKEN not in str(found)

    def test_changes_new_files_and_binary_ones_are_in_the_diff(self, repository: Path) -> None:
        (repository / "work" / "rate.py").write_text("rate = 2\n")
        (repository / "work" / "weights.bin").write_bytes(bytes(range(256)))
        (repository / "work" / "naïve\nname.txt").write_text("never added\n")
        git(repository, "add", "work/weights.bin")
        git(repository, "config", "diff.noprefix", "true")
        git(repository, "config", "color.ui", "always")
        git(repository, "config", "diff.external", "false")
        found = code.state()
        assert found.dirty is True
        assert found.untracked == ("work/naïve\nname.txt",)
        assert found.diff is not None
        with checked_out(repository, str(found.commit), diff=found.diff, keep=False) as tree:
            assert (tree / "work" / "rate.py").read_text() == "rate = 2\n"
            assert (tree / "work" / "weights.bin").read_bytes() == bytes(range(256))
            assert (repository / ".git" / "worktrees").exists()
        assert not tree.exists()
        assert git(repository, "worktree", "list").count("\n") == 0

    def test_a_diff_that_is_too_large_is_not_kept_and_that_is_said(
        self, repository: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(code, "LARGEST_DIFF", 2**20)
        (repository / "work" / "rate.py").write_text("rate = 1\n" * 300_000)
        found = code.state()
        assert (found.dirty, found.diff) == (True, None)
        assert found.notes == ("tracked files have changed, and how is not recorded: the diff is over 1 MB",)

    def test_a_repository_without_commits_none_and_no_git(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (nothing,) = code.state(tmp_path).notes
        assert nothing.startswith("no commit is recorded: not a git repository")
        git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
        unborn = code.state(tmp_path)
        assert (unborn.commit, unborn.branch, unborn.dirty, unborn.diff) == (None, "trunk", None, None)
        assert unborn.notes == ("no commit is recorded: the repository has none yet",)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert code.state(tmp_path).notes == ("no commit is recorded: there is no git",)
        assert code.head(tmp_path) == (None, None, None)

    def test_a_detached_head_has_no_branch(self, repository: Path) -> None:
        git(repository, "checkout", "--quiet", "--detach")
        found = code.state()
        assert (found.branch, found.dirty) == (None, False)
        assert found.notes == ("no branch is recorded: the head is detached",)

    def test_a_renamed_file_is_no_untracked_one(self, repository: Path) -> None:
        git(repository, "mv", "work/rate.py", "work/? other.py")
        found = code.state()
        assert (found.dirty, found.untracked) == (True, ())

    def test_a_submodule_with_changes_of_its_own_is_named(self, repository: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        git(other, "init", "--quiet")
        (other / "lib.py").write_text("one = 1\n")
        git(other, "add", ".")
        git(other, "commit", "--quiet", "--message", "lib")
        git(repository, "submodule", "--quiet", "add", str(other), "lib")
        git(repository, "commit", "--quiet", "--message", "with it")
        assert code.state(repository).dirty is False
        (repository / "lib" / "lib.py").write_text("one = 2\n")
        found = code.state(repository)
        assert (found.dirty, found.diff) == (True, None)
        assert found.notes == (
            "the submodule lib has changes of its own, which are not in the diff: its commit is recorded",
        )

    def test_variables_of_git_do_not_lead_elsewhere(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = code.state()
        monkeypatch.setenv("GIT_DIR", str(repository / "nowhere"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(repository / "nothing"))
        monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
        assert code.state() == expected

    def test_git_that_takes_too_long_is_not_waited_for(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        slow = repository / "bin"
        slow.mkdir()
        (slow / "git").write_text("#!/bin/sh\nexec sleep 60\n")
        (slow / "git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{slow}{os.pathsep}{os.environ['PATH']}")
        with pytest.raises(code.GitError, match=r"git took over 0.2 s"):
            code.git("status", seconds=0.2)

    @pytest.mark.parametrize(
        ("url", "kept"),
        [
            (f"https://{TOKEN}@example.org:8443/code.git", "https://example.org:8443/code.git"),
            (f"https://me:{TOKEN}/more@example.org/code.git", "https://example.org/code.git"),
            (f"https://example.org/code.git?key={TOKEN}#frag", "https://example.org/code.git"),
            ("ssh://git@example.org:22/code.git", "ssh://git@example.org:22/code.git"),
            (f"{TOKEN}@example.org:team/code.git", "example.org:team/code.git"),
            ("git@example.org:team/code.git", "git@example.org:team/code.git"),
            (f"ext::helper --password {TOKEN}", "ext::"),
            ("../beside/code", "../beside/code"),
            ("/srv/a@b:c/code", "/srv/a@b:c/code"),
            ("https://example.org/@scope/code", "https://example.org/@scope/code"),
        ],
    )
    def test_an_address_is_kept_without_credentials(self, url: str, kept: str) -> None:
        assert code.without_credentials(url) == kept


class TestSnapshot:
    def test_has_what_the_specification_reads_and_no_secret(
        self, repository: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", TOKEN)
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        found = capture_environment_snapshot()
        assert found["python_version"] == ".".join(map(str, sys.version_info[:3]))
        assert found["packages"]["numpy"] == np.__version__
        assert len(found["packages"]) > 50
        assert found["git"]["commit"] == git(repository, "rev-parse", "HEAD")
        assert found["environment_variables"]["OMP_NUM_THREADS"] == "3"
        assert found["hardware"]["cores"] == os.cpu_count()
        assert TOKEN not in str(found)
        assert compare(found, capture_environment_snapshot()) == []

    def test_differences_that_can_matter_come_first(self) -> None:
        stored = {
            "python_version": "3.11.1",
            "platform": "one",
            "packages": {"numpy": "1.0", "pytest": "8", "torch": "2"},
            "hardware": {"description": "2 cores"},
            "environment_variables": {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0"},
        }
        now = stored | {
            "python_version": "3.11.2",
            "packages": {"numpy": "1.0", "pytest": "9"},
            "hardware": {"description": "4 cores", "cores": 4},
            "git": {"commit": "abc"},
            "environment_variables": {},
        }
        assert [(one.name, one.stored, one.now, one.matters) for one in compare(stored, now)] == [
            ("OMP_NUM_THREADS", "1", None, True),
            ("python_version", "3.11.1", "3.11.2", True),
            ("torch", "2", None, True),
            ("CUDA_VISIBLE_DEVICES", "0", None, False),
            ("hardware description", "2 cores", "4 cores", False),
            ("pytest", "8", "9", False),
        ]

    @pytest.mark.parametrize("given", [None, {}, [], "3.11"])
    def test_what_is_no_snapshot_is_refused(self, given: Any) -> None:
        with pytest.raises(InvalidInputError, match=r"stored is .*: give what capture_environment_snapshot"):
            compare(given, capture_environment_snapshot())


def logged(*points: tuple[str, float, float | None]) -> pd.DataFrame:
    """Points as a run has them: metric, value and step."""
    frame = pd.DataFrame(points, columns=["name", "value", "step"]).astype({"value": "float64", "step": "Int64"})
    return frame.assign(episode=pd.array([None] * len(frame), dtype="Int64"), epoch=None)


class TestAgreement:
    def test_the_same_to_the_bit_with_nan_and_infinities(self) -> None:
        points = logged(("loss", 0.1, 1), ("loss", float("nan"), 2), ("loss", float("-inf"), 2), ("end", 1.0, None))
        ends, losses = compare_points(points, points.copy())
        assert (ends.same, losses.same, losses.n_points) == (True, True, 3)
        assert losses.told == "the same to the bit, 3 points"

    def test_how_much_it_is_not_the_same_by_and_where(self) -> None:
        before = logged(("loss", 2.0, 1), ("loss", 4.0, 2), ("loss", 8.0, 3), ("gone", 1.0, None))
        after = logged(("loss", 2.0, 1), ("loss", 4.5, 2), ("loss", 7.5, 3), ("loss", 1.0, 4), ("new", 1.0, None))
        gone, loss, new = compare_points(before, after)
        assert (gone.n_missing, new.n_extra, loss.n_extra, loss.n_different) == (1, 1, 1, 2)
        assert (loss.largest_absolute, loss.largest_relative) == (0.5, 0.125)
        assert loss.told == (
            "2 of 3 points not the same, by up to 0.5 (0.12 of its value), first at step 2; 1 point more than before"
        )
        assert gone.told == "1 point not logged again"
        assert not loss.same

    def test_one_bit_is_a_difference_and_so_is_a_number_for_nan(self) -> None:
        before, after = (
            logged(("a", 0.3, None), ("b", float("nan"), None)),
            logged(("a", 0.1 + 0.2, None), ("b", 0.0, None)),
        )
        bit, number = compare_points(before, after)
        assert 0 < bit.largest_absolute < 1e-16
        assert bit.first_different == "call 1"
        assert number.largest_absolute == float("inf")

    def test_points_that_share_a_step_are_told_apart_by_their_order(self) -> None:
        before = logged(("loss", 1.0, 1), ("loss", 2.0, 1))
        (found,) = compare_points(before, before.iloc[::-1])
        assert found.n_different == 2


class TestCommand:
    def test_files_of_the_repository_are_those_of_the_checkout(self, repository: Path, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        (tree / "work").mkdir(parents=True)
        (tree / "work" / "rate.py").touch()
        here, there = repository / "work" / "rate.py", tree / "work" / "rate.py"
        places: dict[str, Any] = {"top": repository, "tree": tree, "folder": "work"}
        assert command.in_worktree(["/usr/bin/python3.9", "rate.py", "--n", "3"], **places) == [
            *(sys.executable, "rate.py", "--n", "3")
        ]
        assert command.in_worktree(["python", str(here)], **places)[1] == str(there)
        assert command.in_worktree(["python", "/other/code/work/rate.py"], **places)[1] == str(there)
        assert command.in_worktree(["python", "-m", "train", str(tmp_path)], **places)[1:] == [
            "-m",
            "train",
            str(tmp_path),
        ]

    def test_a_script_that_is_not_in_the_commit_is_named(self, repository: Path) -> None:
        with pytest.raises(NotFoundError, match=r"the script new.py is not in the commit of the run, nor in its diff"):
            command.in_worktree(["python", "new.py"], top=repository, tree=repository, folder="work")

    @pytest.mark.parametrize(
        "line", [[], ["python"], ["python3", "-i"], ["python", "-m", "ipykernel_launcher", "-f", "kernel.json"]]
    )
    def test_a_notebook_and_a_prompt_cannot_be_given_again(self, line: list[str]) -> None:
        assert not command.is_script(line)

    def test_nothing_outlives_its_time(self, tmp_path: Path) -> None:
        heard: list[str] = []
        call = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)"]
        done = command.run(call, folder=tmp_path, environment=os.environ, timeout=1.5, heard=heard.append)
        assert done == (None, ("begun",))
        assert heard == ["begun"]


class TestCheckout:
    def test_a_commit_that_is_not_there_and_a_folder_without_repository(self, repository: Path, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"has no commit 1234.*it was fetched from https://example.org/code"):
            repository_with("1234" * 10, None, "https://example.org/code")
        with pytest.raises(NotFoundError, match="is in no git repository that can be used"):
            repository_with("1234" * 10, tmp_path, None)

    def test_a_diff_that_does_not_fit_leaves_nothing_behind(self, repository: Path) -> None:
        commit = git(repository, "rev-parse", "HEAD")
        with pytest.raises(InvalidInputError, match="the diff kept with the run does not fit its commit"):  # noqa: SIM117
            with checked_out(repository, commit, diff=b"nonsense", keep=False):
                pytest.fail("checked out all the same")
        with pytest.raises(EngineError, match="cannot be checked out"):  # noqa: SIM117
            with checked_out(repository, "1234" * 10, diff=None, keep=False):
                pytest.fail("checked out all the same")
        assert git(repository, "worktree", "list").count("\n") == 0
        assert git(repository, "status", "--porcelain") == ""

    def test_it_can_be_kept_and_no_hook_of_the_repository_runs(
        self, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what is kept is the test's to remove
        hook = repository / ".git" / "hooks" / "post-checkout"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\ntouch hooked\n")
        hook.chmod(0o755)
        with checked_out(repository, git(repository, "rev-parse", "HEAD"), diff=None, keep=True) as tree:
            assert tree.name == repository.name
        assert (tree / "work" / "rate.py").exists()
        assert not list(tree.glob("hooked"))

    def test_a_submodule_that_cannot_be_fetched_is_said(self, repository: Path, tmp_path: Path) -> None:
        other = made_repository(tmp_path / "other")
        git(repository, "submodule", "--quiet", "add", str(other), "lib")
        git(repository, "commit", "--quiet", "--message", "with it")
        other.rename(tmp_path / "moved")
        with pytest.raises(EngineError, match=r"cannot be checked out: .*(other|transport)"):  # noqa: SIM117
            with checked_out(repository, git(repository, "rev-parse", "HEAD"), diff=None, keep=False):
                pytest.fail("checked out all the same")
        assert git(repository, "worktree", "list").count("\n") == 0
