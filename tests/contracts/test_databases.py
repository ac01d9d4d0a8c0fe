import pandas as pd
import pytest
from pydantic import ValidationError

from merbench.contracts.databases import DatabaseCard, persons

KNOWN = {"title": "Mine", "licence": "none", "source": "nowhere"}


def test_datasets_that_share_their_people_share_their_persons():
    clips = pd.DataFrame(
        {"dataset": ["smic-hs", "smic-vis", "samm", "casme2"], "subject": ["s03", "s03", "s03", "s04"]}
    )
    found = persons(clips, {"smic-hs": "smic", "smic-vis": "smic"})
    assert found.tolist() == ["smic/s03", "smic/s03", "samm/s03", "casme2/s04"]


def test_a_card_refuses_names_that_cannot_be_in_a_path():
    for name, dataset in (("My Data", "mine"), ("mine", "../mine")):
        with pytest.raises(ValidationError, match="must be lower-case"):
            DatabaseCard(name=name, datasets={dataset: "Mine"}, **KNOWN)


def test_a_card_refuses_unknown_keys():
    with pytest.raises(ValidationError, match="Extra inputs"):
        DatabaseCard(name="mine", datasets={"mine": "Mine"}, size=3, **KNOWN)
