"""The JSON files of a run, ``run.json``, a fold's ``record.json`` and ``complete.json``, as typed contents."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from merbench.contracts.cards import Task
from merbench.contracts.citations import Remark
from merbench.contracts.digests import digest

#: Incremented, from the first release on, whenever a file gains or loses a field: unknown fields are refused.
SCHEMA_VERSION = 1
#: The disclosure of every imported run; and its data, selection and device, where nothing is known of them.
UNSEEN, UNKNOWN = "imported: training not seen", "unknown"
#: The longest list of changed settings.
LONGEST_VARIANT = 1000
#: A folder's or file's name has at most so many characters.
_Name = Annotated[str, Field(max_length=255)]
_Remarks = Annotated[list[Remark], Field(max_length=20)]


def _at_most(characters: int) -> BeforeValidator:
    """Cut a longer text, in what is written as in what is read."""
    return BeforeValidator(lambda text: text[:characters] if isinstance(text, str) else text)


class _File(BaseModel, extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True):
    schema_version: int = SCHEMA_VERSION


class RunKey(BaseModel, extra="forbid", frozen=True, ser_json_inf_nan="strings"):
    """Everything that a prediction depends on, seed included; the fold is given by its folder.

    Paths, workers and verbosity are not included. Packages and hardware are recorded with each fold. `selection` says
    which epoch's predictions count: ``last``, ``inner`` or ``inner-keep``; `shuffled` that labels of the training clips
    were shuffled: a sanity check, never a result.
    """

    method: Remark
    config: dict[str, Any]
    code_digest: str
    code_versions: dict[str, int]
    spec_digest: str
    split_digest: str
    data_digest: str
    input_digests: dict[str, str]
    selection: str
    transductive: bool
    au_labels_at_test: bool
    shuffled: bool = False
    seed: int

    def digest(self) -> str:
        """Return the digest of the key; fields with a default are included only if they differ from it."""
        return digest(self.model_dump(mode="json", exclude_defaults=True))

    def group(self) -> str:
        """Return the digest of the key without the seed, the same for all seeds of a row."""
        return digest(self.model_dump(mode="json", exclude={"seed"}, exclude_defaults=True))


class RunFile(_File):
    """``run.json``: one method configuration, protocol, data, selection and seed.

    `folds` are those of the complete run -> number of test clips; `parts` the reporting parts of the protocol, ``full``
    and datasets -> titles; `variant` are settings that differ from the named configuration, ``epochs=5``, and whether
    labels were shuffled. A `sanity` row is one by its method's card, or of shuffled labels. `prepared` gives input ->
    database -> how the input was prepared, if the card does not determine it: the face detector. `disclosures` of the
    card, such as "transductive", let rows rank apart (stored as ``admissions``); `not_ranked` are reasons on the card
    why rows of these settings get no rank; its `remark` is shown with them, and so are `warnings` with the protocol's
    figures in every table, such as "subject-dependent". Of two runs in one row of
    a table, the one with the higher `sequence` is newer, whatever the clock says; it is not written if None, as in rows
    committed before this field existed. `imported` is the name of the log from which the run was imported, if it was:
    nothing is known of its training. `git_commit` is that of merbench's checkout and ends in ``-dirty`` where files of
    its code were changed; `method_source` is the package of a method that is not merbench's, with its commit.
    """

    run_id: _Name
    key: RunKey
    method: Remark
    config_name: Remark
    variant: str = Field(max_length=LONGEST_VARIANT)
    sanity: bool = False
    protocol: Remark
    parts: dict[Remark, Remark]
    task: Task
    outputs: list[Remark]
    data: Remark
    prepared: dict[Remark, dict[Remark, Remark]] = {}
    synthetic: bool
    deterministic: bool
    disclosures: _Remarks = Field(validation_alias="admissions", serialization_alias="admissions")
    remark: Remark
    not_ranked: _Remarks = Field(default=[], exclude_if=lambda value: not value)
    warnings: _Remarks = []
    folds: dict[_Name, int]
    created: Remark
    sequence: int | None = Field(default=None, exclude_if=lambda value: value is None)
    merbench: Remark
    git_commit: Remark | None
    imported: _Name | None = Field(default=None, exclude_if=lambda value: value is None)
    method_source: Remark | None = Field(default=None, exclude_if=lambda value: value is None)

    def digest(self) -> str:
        """Return the digest of everything in the file; fields with a default are included if they differ from it."""
        return digest(self.model_dump(mode="json", exclude_defaults=True))

    def apart(self) -> list[str]:
        """Return what distinguishes the run from others of its method: configuration, settings, selection."""
        selection = "" if self.key.selection == "last" or self.imported else f"{self.key.selection} epoch"
        config = "" if self.config_name == "default" else self.config_name
        return [word for word in (config, self.variant, selection) if word]


class Failure(BaseModel, extra="forbid", frozen=True):
    """The error of a failed fold."""

    type: Annotated[str, _at_most(200)]
    message: Annotated[str, _at_most(10_000)]
    traceback: Annotated[str, _at_most(100_000)]


class FoldRecord(_File):
    """``record.json``: the commit mark of a fold, written last. Files that it does not list do not count.

    `selected_epoch` counts from 1, if the run selects one within the training fold. `epochs` and `diagnostics` say that
    per-epoch predictions and diagnostics were requested; the former exist if the method reports epochs, the latter
    unless the fold failed. `checksums` are SHA-256 of files in the folder; `seconds` those of ``select`` if an epoch
    was selected, ``fit``, ``predict``, ``diagnose`` if requested, and ``total``. Peaks, in MiB, are of resident memory
    of the process so far, and of torch's memory on the fold's GPU (None on the CPU). `packed` folds were trained
    together in one program, this one included: times are then an equal share, peaks of memory those of all of them.
    `isolated` folds were run in a process of their own without test labels, data, results and network.
    `read` are files that the method read from outside its folder -> SHA-256; they are in no key. `train_clips` is 0 in
    imported runs, whose training was not seen.
    """

    run_id: _Name
    key_digest: Remark
    fold: _Name
    status: Literal["ok", "failed"]
    clips: int
    train_clips: int
    seconds: dict[str, float]
    peak_memory_mb: float | None
    peak_gpu_memory_mb: float | None = None
    threads: int
    device: Remark
    packed: int = 1
    packages: dict[Remark, Remark]
    hardware: dict[str, Any]
    isolated: bool = Field(default=False, exclude_if=lambda value: not value)
    read: dict[str, str] = Field(default={}, exclude_if=lambda value: not value)
    selected_epoch: int | None = None
    epochs: bool
    diagnostics: bool = False
    checksums: dict[str, str] = {}
    failure: Failure | None = None
    finished: Remark


class CompleteFile(_File):
    """``complete.json``: the commit mark of a complete run, with the checksum of its ``predictions`` file.

    `run_digest` is that of ``run.json``, see :meth:`RunFile.digest`; None in rows committed before this field existed.
    `isolated` says that all folds were, `read` are the files that the method read from outside its folder in any fold.
    `epochs_sha256` is that of ``epochs.npz``, which a row of the leaderboard may have.
    """

    run_id: _Name
    key_digest: Remark
    run_digest: Remark | None = Field(default=None, exclude_if=lambda value: value is None)
    predictions: _Name
    sha256: Remark
    epochs_sha256: Remark | None = None
    clips: int = Field(ge=1)
    seconds: float
    mixed: Annotated[list[Remark], Field(max_length=200)]
    isolated: bool = Field(default=False, exclude_if=lambda value: not value)
    read: dict[str, str] = Field(default={}, exclude_if=lambda value: not value)
    finished: Remark


class Verification(_File):
    """``verification.json``: how far a row was verified, by whom and when; see :mod:`merbench.records.states`.

    `sha256` is that of the predictions it is about. `folds` of all were run again, `isolated` in processes without
    labels, data and network by the program `isolated_by`; `agreement` of their predictions with the row's. `reasons`
    are why the row failed, and what was pointed out.
    """

    run_id: _Name
    key_digest: Remark
    sha256: Remark
    state: Literal["failed", "claimed", "consistent", "rerun", "verified"]
    folds: int = Field(default=0, ge=0)
    of: int = Field(ge=1)
    isolated: bool = False
    isolated_by: Remark = Field(default="", exclude_if=lambda value: not value)
    agreement: Literal["", "bitwise", "within tolerance"] = ""
    reasons: _Remarks = []
    by: Remark
    when: Remark
    merbench: Remark
    git_commit: Remark | None = None

    @model_validator(mode="after")
    def _possible(self) -> "Verification":
        if self.state == "verified" and not (self.isolated and self.folds == self.of and self.agreement):
            raise ValueError("verified are rows whose folds were all run again, isolated, and agree")
        if self.state == "rerun" and not (self.folds and self.agreement):
            raise ValueError("rerun are rows with folds that were run again, and agree")
        return self

    @property
    def text(self) -> str:
        """The state with its numbers: ``rerun (5 of 68 folds), not isolated, bitwise``."""
        if self.state not in ("rerun", "verified"):
            return self.state
        folds = f" ({self.folds} of {self.of} folds)" if self.state == "rerun" else ""
        return f"{self.state}{folds}{', not isolated' * (not self.isolated)}, {self.agreement}"
