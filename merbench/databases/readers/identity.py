"""One spelling for each clip: releases, lists and logs write subjects and clips in several ways.

``smic, 3, s3_ne_1`` and ``smic, s03, s03_ne_01`` are one clip; ``6`` of SAMM is ``006``. Each reader has the spelling
of its database; names of other datasets are kept as written, without surrounding blanks.
"""

from merbench.databases.readers import casme2, samm, smic_hs

_DATASETS = {
    **dict.fromkeys(("smic", "smic_hs", "hs"), "smic-hs"),
    **dict.fromkeys(("casmeii", "casme_ii", "casme ii"), "casme2"),
}
_READERS = {reader.dataset: reader for reader in (casme2.DATABASE, samm.DATABASE, smic_hs.DATABASE)}


def dataset_name(text: str) -> str:
    """Return the one spelling of a dataset's name: ``smic`` and ``SMIC`` are ``smic-hs``."""
    name = text.strip().lower()
    return _DATASETS.get(name, name)


def normalised(dataset: str, subject: str, clip: str) -> tuple[str, str, str]:
    """Return the one spelling of a clip; DataError if subject or clip does not have the form of its database."""
    dataset = dataset_name(dataset)
    if dataset not in _READERS:
        return dataset, subject.strip(), clip.strip()
    return (dataset, *_READERS[dataset].identity(subject, clip))
