from merbench.api.data import clips as clips
from merbench.api.data import inputs as inputs
from merbench.api.protocols import protocol as protocol
from merbench.api.results import compare as compare
from merbench.api.results import explain as explain
from merbench.api.results import run as run
from merbench.api.results import score as score
from merbench.contracts.errors import MerbenchError as MerbenchError

__version__: str
