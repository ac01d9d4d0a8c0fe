"""``merbench data``: fetch, register, inspect and prepare databases, or synthesize one."""

import typer

from merbench.cli.data.add import add
from merbench.cli.data.fetch import fetch
from merbench.cli.data.list import list_
from merbench.cli.data.prepare import prepare
from merbench.cli.data.remove import remove
from merbench.cli.data.show import show
from merbench.cli.data.synthesize import synthesize
from merbench.cli.data.template import template
from merbench.cli.data.verify import verify

data = typer.Typer(
    help="Fetch, register, verify, prepare and inspect databases, or synthesize one.", no_args_is_help=True
)
data.command(epilog="Example: merbench data add casme2 ~/data/CASME2")(add)
data.command(epilog="Example: merbench data fetch megc2019-flow28")(fetch)
data.command(epilog="Example: merbench data remove casme2")(remove)
data.command("list", epilog="Example: merbench data list --store")(list_)
data.command(epilog="Example: merbench data verify casme2")(verify)
data.command(epilog="Example: merbench data prepare casme2 samm smic-hs --for svm-flow")(prepare)
data.command(epilog="Example: merbench data show casme2 sub01/EP02_01f --out clip.png")(show)
data.command(epilog="Example: merbench data template --out clips.csv")(template)
data.command(epilog="Example: merbench data synthesize full --table ambiguous --strength 0.5 --out made/")(synthesize)
