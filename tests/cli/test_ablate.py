"""``merbench ablate``: rows of a card, run by the ordinary engine, and one table."""

import json

import pytest
from support.cases import matches, says

CARD = """
remark: a toy
inputs:
  flow: {kind: flow, size: 28}
configurations: {default: {}, slow: {power: 4}}
ablations:
  branch: {top: {rows: [0, 7]}, blind: {blind: true}}
  power: {one: {power: 1}, two: {power: 2}}
"""
BODY = """
class Config(MethodConfig):
    rows: tuple[int, int] = (0, 28)
    power: int = 1
    blind: bool = False
    frames: bool = False
    broken: bool = False

@classmethod
def declare_inputs(cls, config):
    from merbench.contracts.inputs import Flow, Frames
    return {"flow": Flow(size=28)} | ({"frames": Frames()} if config.frames else {})

def features(self, inputs):
    first, last = self.config.rows
    return inputs["flow"].batch()[:, first:last].mean(axis=(1, 2)) * (not self.config.blind)

def fit(self, train, run):
    if self.config.broken and "samm/006" not in train.subjects:
        raise ValueError("the light went out")
    x = self.features(train.inputs) + run.rng("noise").normal(0, 1, 3)
    self.means = np.array([x[train.labels == label].mean(axis=0) for label in range(3)])

def predict(self, inputs):
    far = np.abs(self.features(inputs)[:, None] - self.means).sum(axis=2)
    return Prediction(-far**self.config.power)

def diagnose(self, inputs):
    return {"feature/light": self.features(inputs)}
"""
ROWS = ["toy-net", "top", "blind", "one", "two"]


@pytest.fixture
def net(toy):
    """Return what offers the method ``toy-net``, with lines added to its card."""
    return lambda more="": toy("toy-net", BODY, CARD + more)


@pytest.fixture
def ablated(merbench, small):
    """Return what runs an ablation of the toy and gives the objects that it prints, by row."""

    def call(*words, code=0):
        said = merbench("ablate", "toy-net", *small, *words, "--format", "json")
        assert said.code == code, said
        return {row["row"]: row for row in json.loads(said.out)}

    return call


def test_every_row_of_the_card_is_run_once_and_compared(net, ablated, done, small, tmp_path):
    net()
    rows = ablated("--seeds", "0-1")
    assert list(rows) == ROWS
    assert [row["group"] for row in rows.values()] == ["whole", "branch", "branch", "power", "power"]
    assert [row["as_whole"] for row in rows.values()] == [True, False, False, True, False]
    assert rows["one"]["run_ids"] == rows["toy-net"]["run_ids"]
    assert rows["toy-net"]["uf1"] == 1
    assert rows["blind"]["difference"] == pytest.approx(rows["blind"]["uf1"] - 1)
    assert rows["blind"]["difference_high"] < 0
    assert rows["two"]["difference"] == 0
    assert {row["seeds"] for row in rows.values()} == {2}
    recorded = {path.name for path in (tmp_path / "results" / "runs").iterdir()}
    assert recorded == {run_id for row in rows.values() for run_id in row["run_ids"]}
    assert len(recorded) == 8
    assert done("ablate", "toy-net", *small, "--seeds", "0-1").count("recorded before") == 8
    assert "toy-net (blind=True)" in done("compare", "toy-net")
    assert "nothing to do" in done("run", "toy-net", *small, "--set", "blind=true")
    # Groups and rows may be chosen.
    assert list(ablated("--only", "power")) == ["toy-net", "one", "two"]
    assert list(ablated("--only", "branch/blind", "--only", "power/two")) == ["toy-net", "blind", "two"]


def test_settings_apply_to_all_rows_unless_a_row_changes_them(net, ablated):
    net()
    rows = ablated("--config", "slow", "--set", "blind=true", "--set", "toy-net:rows=[0, 14]")
    assert {row["config"] for row in rows.values()} == {"slow"}
    assert rows["toy-net"]["variant"] == "rows=(0, 14) blind=True"
    assert rows["top"]["variant"] == "rows=(0, 7) blind=True"
    assert rows["one"]["variant"] == "rows=(0, 14) power=1 blind=True"
    assert [name for name, row in rows.items() if row["as_whole"]] == ["toy-net", "blind"]


def test_other_methods_run_in_their_own_configurations(net, ablated):
    net()
    words = ("--set", "blind=true", "--only", "power", "--seeds", "0-1", "--diagnose")
    rows = ablated("--beside", "majority", "--beside", "toy-net:slow", *words)
    assert list(rows) == ["toy-net", "one", "two", "majority", "toy-net:slow"]
    fields = ("group", "config", "variant", "seeds")
    assert [rows["majority"][field] for field in fields] == ["beside", "default", "", 1]
    assert [rows["toy-net:slow"][field] for field in fields] == ["beside", "slow", "", 2]
    assert rows["majority"]["difference"] is not None


def test_diagnostics_are_recorded_on_request(net, ablated, tmp_path):
    net()
    assert "cka" not in ablated("--only", "power")["toy-net"]
    assert not list(tmp_path.glob("results/runs/*/folds/*/diagnostics.npz"))
    rows = ablated("--only", "power", "--diagnose", "--beside", "majority")
    assert len(list(tmp_path.glob("results/runs/*/folds/*/diagnostics.npz"))) == 18
    assert {"cka", "au_probe_light", "au_probe_light_floor", "au_detection"} <= rows["toy-net"].keys()


def test_the_table_is_printed_with_the_command(net, done, merbench, small):
    net()
    words = ("--only", "branch", "--seeds", "0-1")
    said = done("ablate", "toy-net", *small, *words, "--diagnose", "--beside", "majority")
    assert said.startswith("data: megc2019-flow28, ")
    says(said, "method majority has no diagnostics | toy-net: a toy")
    rows = (r"toy-net +1\.0000 ", "branch *$", r"blind +\.\d{4} .*-\.\d{4}", "beside *$", r"majority +\.1818 ")
    matches(said, *(f"^ {row}" for row in rows))
    command = f"merbench ablate toy-net --protocol {small[1]} --seeds 0-1 --only branch --beside majority --diagnose"
    assert said.rstrip().endswith(command)
    for kind, start in (("md", "**Ablations of toy-net: "), ("csv", "group,row,settings,")):
        said = merbench("ablate", "toy-net", *small, *words, "--format", kind)
        assert (said.code, said.out.startswith(start)) == (0, True)
        assert "data: megc2019-flow28" in said.err  # the table stands alone on standard output


def test_a_dry_run_lists_rows_and_runs_and_writes_nothing(net, done, small, tmp_path):
    net()
    said = done("ablate", "toy-net", *small, "--dry-run")
    matches(said, r"^branch/blind: toy-net-small-s0-[0-9a-f]{10}$", "36 of 36 folds would run")
    assert not (tmp_path / "results").exists()


def test_folds_that_fail_leave_holes_and_exit_code_1(net, merbench, ablated, small):
    net("  light:\n    out: {broken: true}\n")
    rows = ablated("--only", "light", code=1)
    assert (rows["out"]["status"], rows["out"]["difference"]) == ("failed", None)
    assert "the light went out" in " ".join(rows["out"]["remarks"])
    said = merbench("ablate", "toy-net", *small, "--only", "light")
    assert said.code == 1
    failed = "1 fold failed; toy-net-small-s0-[0-9a-f]{10}: samm/006"
    matches(said.out, failed, "light/out: not ranked: seed 0 has 8 of 9 folds")


WRONG = """toy-nte | majority | toy-net --only branhc | toy-net --only xyzzy | toy-net --only power/too |
toy-net --beside majorty | toy-net --beside majority:slow | toy-net --config slwo | toy-net --config majority:default |
toy-net --set powr=2 | toy-net --set majority:power=2 | toy-net --format latx | toy-net --seeds x"""


def test_wrong_arguments_of_ablate_are_refused_first(net, all_refused, tmp_path, home):
    net()
    all_refused("|".join(f"ablate {words}" for words in WRONG.split("|")), "--protocol", "megc2019")
    assert not (tmp_path / "results").exists()
    assert not list(home.iterdir())


def test_rows_that_can_not_run_are_named_before_training(net, all_refused, ablated, small, tmp_path):
    net("  inputs:\n    frames: {frames: true}\n  typing:\n    error: {powr: 2}\n")
    lines = "--only inputs | --only power --only inputs/frames | --only typing | --only power --folds samm/066"
    all_refused("|".join(f"ablate toy-net {words}" for words in lines.split("|")), *small)
    assert not (tmp_path / "results").exists()
    assert ablated("--only", "power")["two"]["status"] == "complete"


def test_sanity_rows_are_a_group_without_differences(net, ablated, merbench, small):
    net()
    words = ("--seeds", "0-1", "--only", "branch/blind", "--sanity")
    rows = ablated(*words)
    sanity = {name: row for name, row in rows.items() if row["sanity"]}
    floors = ["majority", "stratified-random", "database-only", "database-only balanced"]
    assert list(sanity) == [*floors, "toy-net labels shuffled"]
    assert {(row["group"], row["difference"]) for row in sanity.values()} == {("sanity", None)}
    assert rows["blind"]["difference"] is not None
    assert rows["toy-net labels shuffled"]["seeds"] == 2
    said = merbench("ablate", "toy-net", *small, *words).out
    assert "Sanity rows, not ranked" in said
    assert said.rstrip().endswith(" --only branch/blind --sanity")
