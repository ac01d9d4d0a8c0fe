import pandas as pd
import pytest
from pydantic import ValidationError

from merbench.contracts.databases import DatabaseCard, persons

KNOWN = {"title": "Mine", "licence": "none", "source": "nowhere"}


def test_datasets_that_share_their_people_share_their_persons():
    datasets, subjects = ["smic-hs", "smic-vis", "samm", "casme2"], ["s03", "s03", "s03", "s04"]
    clips = pd.DataFrame({"dataset": datasets, "subject": subjects})
    found = persons(clips, {"smic-hs": "smic", "smic-vis": "smic"})
    assert found.tolist() == ["smic/s03", "smic/s03", "samm/s03", "casme2/s04"]


def test_a_card_refuses_unknown_keys_and_names_that_cannot_be_in_a_path():
    for name, dataset, more, why in (
        ("My Data", "mine", {}, "must be lower-case"),
        ("mine", "../mine", {}, "must be lower-case"),
        ("mine", "mine", {"size": 3}, "Extra inputs"),
    ):
        with pytest.raises(ValidationError, match=why):
            DatabaseCard(name=name, datasets={dataset: "Mine"}, **KNOWN, **more)
