"""The command line: one file a verb; heavy packages are imported inside the verb that needs them."""

import io
import os
import sys
from typing import Annotated

import typer

from merbench import __version__
from merbench.cli.ablate import ablate
from merbench.cli.audit import audit
from merbench.cli.check_claim import check_claim
from merbench.cli.check_method import check_method
from merbench.cli.check_protocol import check_protocol
from merbench.cli.compare import compare
from merbench.cli.data import data
from merbench.cli.declare import flag, option
from merbench.cli.doctor import doctor
from merbench.cli.explain import explain
from merbench.cli.export import export
from merbench.cli.folds import folds
from merbench.cli.import_log import import_
from merbench.cli.methods import methods
from merbench.cli.new_method import new_method
from merbench.cli.power import power
from merbench.cli.printing import say
from merbench.cli.protocols import protocols
from merbench.cli.reproduce import reproduce
from merbench.cli.run import run
from merbench.cli.score import score
from merbench.cli.show import show
from merbench.cli.site import site
from merbench.cli.submit import submit
from merbench.cli.sync import sync
from merbench.cli.verify import verify
from merbench.contracts.errors import MerbenchError

_INTERRUPTED = 130

app = typer.Typer(
    name="merbench",
    help="A benchmark harness and leaderboard for micro-expression recognition.",
    epilog="Example: merbench run svm-flow ststnet --protocol megc2019",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog="Example: merbench run svm-flow ststnet --protocol megc2019 --seeds 0-2")(run)
app.command(epilog="Example: merbench ablate medn --protocol megc2019 --seeds 0-2 --beside svm-flow")(ablate)
app.command(epilog="Example: merbench compare --protocol megc2019 --format latex")(compare)
app.command(epilog="Example: merbench explain ststnet svm-flow --protocol megc2019")(explain)
app.command(epilog="Example: merbench audit ststnet --protocol megc2019 --out audit")(audit)
app.command(epilog="Example: merbench folds --protocol megc2019 > folds.csv")(folds)
app.command(epilog="Example: merbench score my-log.csv --protocol megc2019")(score)
app.command("import", epilog='Example: merbench import my-log.csv --name "My net" --protocol megc2019')(import_)
app.command(epilog="Example: merbench show svm-flow-megc2019-s0")(show)
app.command(epilog="Example: merbench export svm-flow-megc2019-s0 --format challenge > log.txt")(export)
app.command(epilog="Example: merbench submit svm-flow-megc2019-s0 --to results/leaderboard")(submit)
app.command(epilog='Example: merbench verify results/leaderboard/megc2019/my-net-* --by "A. Maintainer"')(verify)
app.command(epilog="Example: merbench reproduce svm-flow --folds 3")(reproduce)
app.add_typer(data, name="data")
app.add_typer(sync, name="sync")
app.command(epilog="Example: merbench methods ststnet")(methods)
app.command(epilog="Example: merbench protocols megc2019")(protocols)
app.command(epilog="Example: merbench new-method my-net --kind torch")(new_method)
app.command(epilog="Example: merbench check-method svm-flow ststnet")(check_method)
app.command(epilog="Example: merbench check-claim --protocol megc2019 --part smic --uf1 .2000 --uar .5280")(check_claim)
app.command(epilog="Example: merbench power --protocol megc2019")(power)
app.command(epilog="Example: merbench check-protocol mine.yaml --data casme2+samm")(check_protocol)
app.command(epilog="Example: merbench site --out site")(site)
app.command(epilog="Example: merbench doctor")(doctor)


def _version(asked: bool) -> None:
    if asked:
        say(f"merbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, option("--version", "Print the version.", metavar="", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, flag("--debug", "Show tracebacks; accepted anywhere.")] = False,
) -> None:
    """Take the options of merbench itself; both act before this call."""


def main() -> None:
    """Run the command line and exit: 0 done, 1 some folds failed or an unexpected error, 2 wrong use."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a question mark for characters that the terminal lacks
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    runs_folds = arguments[:1] in (["run"], ["ablate"])
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        code = app(args=arguments, standalone_mode=False)
    except usage_error as error:
        if debug:
            raise
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "merbench"
        message = error.format_message().rstrip(".")  # type: ignore[attr-defined]
        if wrong := getattr(error.__cause__, "errors", None):  # of pydantic; its messages lack the value
            message = message.partition(", unable to")[0].removeprefix("Invalid value for ")
            message = f"{message.replace(': Input should be', ' must be')}, not {wrong()[0]['input']!r}"
        sys.exit(_print_error(f"{message} (see {command} --help)" if message else f"see {command} --help", 2))
    except MerbenchError as error:
        if debug:
            raise
        sys.exit(_print_error(str(error), error.exit_code))
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except BrokenPipeError:  # such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1 if runs_folds else 0)  # the grid is not done
    except Exception as error:
        if debug:
            raise
        sys.exit(_print_error(f"unexpected {type(error).__name__}: {error} (--debug shows the traceback)", 1))
    if code == _INTERRUPTED:
        kept = "; completed folds are saved; run the same command to resume"
        _print_error(f"interrupted{kept if runs_folds else ''}", _INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _print_error(message: str, code: int) -> int:
    """Print one line to standard error."""
    say(f"error: {' '.join(message.split())}", err=True)
    return code
