"""What is looked at before a submitted row is believed, in order; nothing of it is imported, unpickled or evaluated."""

from collections.abc import Callable, Iterator

from merbench.contracts.errors import MerbenchError, readable
from merbench.submissions import file_checks, prediction_checks
from merbench.submissions.submitted import Evidence, Looked, Submitted

#: Name -> what looks, in order; the first three must hold before others look.
CHECKS: dict[str, Callable[[Submitted], Evidence]] = {
    "bounds": file_checks.bounds,
    "schema": file_checks.schema,
    "texts": file_checks.texts,
    "clips, labels, folds": file_checks.identities,
    "key": file_checks.key,
    "code": file_checks.data_files,
    "scores": prediction_checks.scores,
    "probabilities and labels": prediction_checks.decisions,
    "epochs": prediction_checks.epochs,
    "seeds": prediction_checks.seeds,
    "kept state": prediction_checks.kept_state,
    "duplicates": prediction_checks.duplicates,
    "distribution": prediction_checks.distribution,
}
_FIRST = ("bounds", "schema", "texts")
#: What hostile values make pandas and NumPy raise: a failed check, not the end of the others.
_RAISED = (MerbenchError, ValueError, ArithmeticError, LookupError, TypeError, RecursionError, MemoryError)


def looked(submitted: Submitted) -> Iterator[Looked]:
    """Yield a line or more a check."""
    stopped = ""
    for name, look in CHECKS.items():
        if stopped:
            yield Looked("skipped", name, f"{stopped} failed")
            continue
        lines = []
        try:
            lines = [Looked(result, name, evidence) for result, evidence in look(submitted)]
        except _RAISED as error:
            text = str(error) if isinstance(error, MerbenchError) else f"{type(error).__name__}: {readable(str, error)}"
            lines.append(Looked("failed", name, text))
        yield from lines or [Looked("ok", name, "")]
        if name in _FIRST and any(line.result == "failed" for line in lines):
            stopped = name
