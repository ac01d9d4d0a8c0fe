import numpy as np
import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading
from merbench.contracts.errors import DataError
from merbench.contracts.inputs import Flow

LIGHT = Flow(size=8)


class ToyLights:
    """``lights.csv`` with a row a clip: ``room, clip, kind, light``."""

    card = DatabaseCard(
        name="toy-lights",
        title="Toy lights",
        datasets={"toy-lights": "Toy lights"},
        licence="none",
        source="nowhere",
        offers=(LIGHT,),
    )

    def recognises(self, folder):
        return (folder / "lights.csv").is_file()

    def read(self, folder, corrections=True):
        if not self.recognises(folder):
            raise DataError(f"{folder} has no lights.csv")
        table = pd.read_csv(folder / "lights.csv", dtype=str)
        rows = pd.DataFrame({"subject": table.room, "clip": table["clip"], "emotion": table.kind, "path": table.light})
        return Reading(clip_table(rows.assign(dataset="toy-lights"), str(folder)), "a list of lights")

    def arrays(self, folder, clips, spec):
        light = clips.path.to_numpy().astype(np.uint8)
        return np.broadcast_to(light[:, None, None, None], (len(clips), 8, 8, 3)).copy()


DATABASE = ToyLights()
