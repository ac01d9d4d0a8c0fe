"""Text in old encodings is read as it was written."""

import pytest

from merbench.contracts.texts import old_encodings


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "subject,clip,emotion\nJürgen,prüf1,überrascht\n"),
        ("cp1252", "sujet,émotion\n1,créée\n2,dégoût\n3,gêné – ça\n"),
        ("gb18030", "被试,片段,情绪\n01,第一段,厌恶\n"),
        ("gb18030", "Subject,备注\n1,没有\n2,眉头皱起, 嘴角上扬\n"),
    ],
)
def test_latin_and_chinese_texts_are_distinguished(encoding, text):
    content = text.encode(encoding)
    assert content.decode(old_encodings(content)[0]) == text
