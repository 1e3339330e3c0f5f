"""French CrowS-Pairs: the authors' columns, its tenth bias type, and what is broken."""

from pathlib import Path

import pytest

from llmprof.datasets import DataOptions, load_crows_pairs
from llmprof.errors import DataError, DataNotFoundError
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.crows_pairs import CrowsPairs

FILE = "crows_pairs/crows_pairs_FR_languagearc_contribution+210.csv"
HEAD = "\tsent_more\tsent_less\tstereo_antistereo\tbias_type\n"


def test_french_pairs_are_there_and_are_their_own_data_set() -> None:
    options = DataOptions(data="builtin")
    (french,) = CrowsPairs(ProfilerOptions(crows_pairs_language="fr")).load(options)
    assert (french.name, french.demonstration) == ("crows_pairs_fr", True)
    assert {pair.bias_type for pair in french.items} >= {"autre", "gender", "race-color"}
    assert {pair.direction for pair in french.items} == {"stereo", "antistereo"}
    assert french.sha256 != load_crows_pairs(options).sha256
    with pytest.raises(DataNotFoundError, match="cannot download"):
        load_crows_pairs(DataOptions(data="hub"), "fr")


def test_a_bias_type_may_have_a_remark_and_no_unknown_name(tmp_path: Path) -> None:
    (tmp_path / "crows_pairs").mkdir()
    options = DataOptions(data_dir=tmp_path)
    file = tmp_path / FILE
    file.write_text(HEAD + '7\tElle, dit "oui".\tIl dit non.\tstereo\tgender;age\n', "utf-8")
    (pair,) = load_crows_pairs(options, "fr").items
    assert (pair.id, pair.bias_type, pair.more) == ("7", "gender", 'Elle, dit "oui".')
    file.write_text(HEAD + "7\ta\tb\tstereo\tcouleur\n", "utf-8")
    with pytest.raises(DataError, match=r"line 2.*bias_type.*'couleur'"):
        load_crows_pairs(options, "fr")
    file.write_text(HEAD, "utf-8")
    with pytest.raises(DataError, match="no pairs"):
        load_crows_pairs(options, "fr")
