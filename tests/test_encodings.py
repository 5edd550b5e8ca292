"""Which one-byte encoding a text is in: western words are read, words of central Europe are not taken for them."""

from __future__ import annotations

import pytest

from tasks.raw_files.encodings import find_encoding
from tasks.raw_files.errors import UnreadableFileError

WESTERN = {
    "danish": "København Næstved Helsør Hørsholm Rødovre Køge Århus træ allé",
    "dutch": "één coördinatie reünie België Curaçao",
    "estonian": "Tõnu Jõhvi Võru Pärnu Kärdla Jõgeva õunapuu",
    "finnish": "Jyväskylä Hämeenlinna Seinäjoki Äänekoski",
    "french": "Orléans Nîmes Besançon Évry Sète père brûlé goûté œuvre où à Ève naït",
    "german": "Köln München Größe Straße Übung 20°C 5µg",
    "icelandic": "Reykjavík Kópavogur Hafnarfjörður Ísafjörður Garðabær Þórshöfn",
    "italian": "Forlì Cantù perché città più così però caffè",
    "portuguese": "São Brasília Goiânia opções corações mão lições 1º 2ª",
    "spanish": "Málaga Córdoba León Ávila Gijón pingüino señor ¿qué? ¡no!",
    "swedish": "Malmö Göteborg Västerås Örebro Umeå",
}
CENTRAL = {
    "croatian": "Varaždin Šibenik Čakovec Požega Đakovo Kovačević Babić Marić Jurić",
    "czech": "Jiří Dvořák třída Míru Plzeň Králové Budějovice Přerov Děčín Třebíč",
    "hungarian": "Győr árvíztűrő tükörfúrógép Nagykőrös mezőség fűszál őszí",
    "polish": "Kraków Łódź Wrocław Poznań Gdańsk Białystok Częstochowa gęślą jaźń",
    "romanian": "Braşov Galaţi Ploieşti Constanţa Piteşti Iaşi",
    "slovak": "Trenčín Čadca Ľubica Poľsko býčí červený ťažký päť kĺúč",
}


def lines_of(words: str, encoding: str) -> bytes:
    return "".join(f"{number},{word}\n" for number, word in enumerate(words.split())).encode(encoding)


@pytest.mark.parametrize("language", WESTERN)
def test_western_words_are_read(language: str) -> None:
    assert find_encoding(lines_of(WESTERN[language], "cp1252")).name == "windows-1252"


@pytest.mark.parametrize("language", CENTRAL)
def test_words_of_central_europe_are_no_western_ones(language: str) -> None:
    with pytest.raises(UnreadableFileError, match="in no encoding that can be told"):
        find_encoding(lines_of(CENTRAL[language], "cp1250"))


def test_one_odd_word_among_many_leaves_a_text_western() -> None:
    words = " ".join(WESTERN.values())
    odd = b"99,Dvo\xf8\xe1k\n"
    assert find_encoding(lines_of(words, "cp1252") + odd).name == "windows-1252"
