from pathlib import Path

from merbench.contracts.protocols import ProtocolSpec

TWO = Path(__file__).with_name("two.yaml")
ROOMS = ProtocolSpec(
    name="toy-rooms",
    title="Rooms",
    summary="One room is held out at a time.",
    source={"text": "made up"},
    classes=("dark", "bright"),
    datasets={"toy-lights": {"title": "Toy lights", "classes": {"dark": ["flicker"], "bright": ["bright"]}}},
    folds="leave-one-subject-out",
)
