"""Odd tables, by category: each is read right, or refused with a sentence that helps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autometa.datasets import Table, read_table
from autometa.errors import TableError

Save = Callable[..., Path]
Case = tuple[str, dict[str, list[Any]]]
NAN = float("nan")


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def columns(table: Table) -> dict[str, list[Any]]:
    return {str(name): column.tolist() for name, column in table.frame.items()}


def equal(found: dict[str, list[Any]], expected: dict[str, list[Any]]) -> bool:
    same_names = list(found) == list(expected)
    return same_names and all(
        type(a) is type(b) and (a == b or (a != a and b != b))
        for name in expected
        for a, b in zip(found[name], expected[name], strict=True)
    )


DELIMITERS: dict[str, Case] = {
    "comma": ("a,b\n1,x\n2,y\n", {"a": [1, 2], "b": ["x", "y"]}),
    "semicolon": ("a;b\n1;x\n2;y\n", {"a": [1, 2], "b": ["x", "y"]}),
    "tab": ("a\tb\n1\tx y\n2\tz\n", {"a": [1, 2], "b": ["x y", "z"]}),
    "bar": ("a|b\n1|x, y\n2|z, w\n", {"a": [1, 2], "b": ["x, y", "z, w"]}),
    "space": ("a b\n1 x\n2 y\n", {"a": [1, 2], "b": ["x", "y"]}),
    "aligned with spaces": ("  a    b \n  1   x \n 22  yy \n", {"a": [1, 22], "b": ["x", "yy"]}),
    "space and quotes": ('a b\n1 "x y"\n2 z\n', {"a": [1, 2], "b": ["x y", "z"]}),
    "told by the first line": ("sep=;\na;b\n1;x,y\n2;z\n", {"a": [1, 2], "b": ["x,y", "z"]}),
    "comma and space": ('a, b, c\n1, "x, y", 2\n3, z, 4\n', {"a": [1, 3], "b": ["x, y", "z"], "c": [2, 4]}),
    "one column": ("a\n1\n2\n", {"a": [1, 2]}),
    "one column of decimal commas": ("a\n1,5\n2,25\n", {"a": [1.5, 2.25]}),
    "semicolons inside words": ("a,b\n1,x;y\n2,z;w\n", {"a": [1, 2], "b": ["x;y", "z;w"]}),
    "no last line end": ("a,b\n1,x\n2,y", {"a": [1, 2], "b": ["x", "y"]}),
    "windows line ends": ("a,b\r\n1,x\r\n2,y\r\n", {"a": [1, 2], "b": ["x", "y"]}),
    "old mac line ends": ("a,b\r1,x\r2,y\r", {"a": [1, 2], "b": ["x", "y"]}),
    "control-z at the end": ("a,b\n1,x\n2,y\n\x1a", {"a": [1, 2], "b": ["x", "y"]}),
    "blank lines": ("\n\na,b\n\n1,x\n\n\n2,y\n\n", {"a": [1, 2], "b": ["x", "y"]}),
    "comments before the header": ("# by hand\n# 2020\na,b\n1,x\n2,y\n", {"a": [1, 2], "b": ["x", "y"]}),
    "header that begins with a hash": ("#a,b\n1,x\n2,y\n", {"#a": [1, 2], "b": ["x", "y"]}),
}
QUOTES: dict[str, Case] = {
    "delimiter inside": ('a,b\n"x, y",1\nz,2\n', {"a": ["x, y", "z"], "b": [1, 2]}),
    "line break inside": ('a,b\n"x\ny",1\nz,2\n', {"a": ["x\ny", "z"], "b": [1, 2]}),
    "quote inside": ('a,b\n"x ""y""",1\nz,2\n', {"a": ['x "y"', "z"], "b": [1, 2]}),
    "backslash before quote": ('a,b\n"x \\"y\\" z",1\nw,2\n', {"a": ['x "y" z', "w"], "b": [1, 2]}),
    "backslash as a letter": ('a,b\n"C:\\dir\\",1\n"D:\\x",2\n', {"a": ["C:\\dir\\", "D:\\x"], "b": [1, 2]}),
    "inches": ('a,b\n5" pipe,1\n6" pipe,2\n', {"a": ['5" pipe', '6" pipe'], "b": [1, 2]}),
    "single quotes": ("a,b\n'x, y',1\n'z',2\n", {"a": ["x, y", "z"], "b": [1, 2]}),
    "header in quotes": ('"a, b","c\nd"\n1,2\n3,4\n', {"a, b": [1, 3], "c\nd": [2, 4]}),
    "all in quotes": ('"a","b"\n"1","x"\n"2","y"\n', {"a": [1, 2], "b": ["x", "y"]}),
    "apostrophes": ("a,b\nit's,1\ndon't,2\n", {"a": ["it's", "don't"], "b": [1, 2]}),
}
NUMBERS: dict[str, Case] = {
    "decimal comma": ("a;b\n1,5;-2\n2,25;3\n", {"a": [1.5, 2.25], "b": [-2, 3]}),
    "german thousands": ("a;b\n1.234,5;1.234\n2.000,25;2.500\n", {"a": [1234.5, 2000.25], "b": [1234, 2500]}),
    "english thousands": ('a,b\n"1,234",x\n"2,500,000",y\n', {"a": [1234, 2500000], "b": ["x", "y"]}),
    "english thousands with a point": ('a,b\n"1,234.5",x\n7,y\n', {"a": [1234.5, 7.0], "b": ["x", "y"]}),
    "exponents": ("a,b\n1e3,1E-2\n2.5e+3,3\n", {"a": [1000, 2500], "b": [0.01, 3.0]}),
    "plus signs and points": ("a,b\n+5,.5\n-6,7.\n", {"a": [5, -6], "b": [0.5, 7.0]}),
    "spaces around": ("a,b\n 5 ,x\n6 ,y\n", {"a": [5, 6], "b": ["x", "y"]}),
    "almost infinite": ("a,b\n1e308,1\n-1e308,2\n", {"a": [1e308, -1e308], "b": [1, 2]}),
    "too large": ("a,b\n1e400,1\n2,2\n", {"a": [float("inf"), 2.0], "b": [1, 2]}),
    "infinities": ("a,b\ninf,-Infinity\n1,2\n", {"a": [float("inf"), 1.0], "b": [float("-inf"), 2.0]}),
    "beyond exact floats": ("a,b\n9007199254740993,1\n4,2\n", {"a": [9007199254740993, 4], "b": [1, 2]}),
    "beyond 64 bits": ("a,b\n12345678901234567890,1\n4,2\n", {"a": [1.2345678901234567e19, 4.0], "b": [1, 2]}),
    "hexadecimal stays a word": ("a,b\n0x10,1\n0x11,2\n", {"a": ["0x10", "0x11"], "b": [1, 2]}),
    "formulas stay words": ("a,b\n=1+1,1\n@x,2\n", {"a": ["=1+1", "@x"], "b": [1, 2]}),
    "mixed stay words": ("a,b\n1,1\nx,2\n2.50,3\n", {"a": ["1", "x", "2.50"], "b": [1, 2, 3]}),
}
GAPS: dict[str, Case] = {
    "empty": ("a,b\n,x\n2,\n", {"a": [NAN, 2.0], "b": ["x", NAN]}),
    "NA": ("a,b\nNA,x\n2,NA\n", {"a": [NAN, 2.0], "b": ["x", NAN]}),
    "N/A, nan, null": ("a,b\nN/A,x\nnan,null\n2,y\n", {"a": [NAN, NAN, 2.0], "b": ["x", NAN, "y"]}),
    "question mark": ("a,b\n?,x\n2,?\n", {"a": [NAN, 2.0], "b": ["x", NAN]}),
    "blank": ("a,b\n  ,x\n2,   \n", {"a": [NAN, 2.0], "b": ["x", NAN]}),
    "dash among numbers": ("a,b\n-,x\n2,y\n", {"a": [NAN, 2.0], "b": ["x", "y"]}),
    "dash among words is a word": ("a,b\n1,+\n2,-\n", {"a": [1, 2], "b": ["+", "-"]}),
    "None among numbers": ("a,b\nNone,x\n2,y\n", {"a": [NAN, 2.0], "b": ["x", "y"]}),
    "None among words is a word": ("a,b\n1,None\n2,Brick\n", {"a": [1, 2], "b": ["None", "Brick"]}),
    "a whole column": ("a,b\n,1\n,2\n", {"a": [NAN, NAN], "b": [1, 2]}),
    "booleans in any case": ("a,b\nTRUE,1\nfalse,2\nTrue,3\n", {"a": ["True", "False", "True"], "b": [1, 2, 3]}),
}
HEADERS: dict[str, Case] = {
    "twice the same": ("a,a\n1,2\n3,4\n", {"a": [1, 3], "a_2": [2, 4]}),
    "twice the same, and the repair taken": ("a,a,a_2\n1,2,3\n4,5,6\n", {"a": [1, 4], "a_3": [2, 5], "a_2": [3, 6]}),
    "empty": ("a,\n1,2\n3,4\n", {"a": [1, 3], "column_2": [2, 4]}),
    "spaces around": (" a , b\n1,2\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
    "emoji": ("🦉,名\n1,2\n3,4\n", {"🦉": [1, 3], "名": [2, 4]}),
    "years": ("c,2019,2020\nx,1,2\ny,3,4\n", {"c": ["x", "y"], "2019": [1, 3], "2020": [2, 4]}),
    "positions": ("0,1,2\n5.5,x,3\n6.5,y,4\n", {"0": [5.5, 6.5], "1": ["x", "y"], "2": [3, 4]}),
    "none": (
        "5.1,x,3\n4.9,y,1\n4.7,x,2\n",
        {"column_1": [5.1, 4.9, 4.7], "column_2": ["x", "y", "x"], "column_3": [3, 1, 2]},
    ),
    "words over words": ("a,b\nx,y\nz,w\n", {"a": ["x", "z"], "b": ["y", "w"]}),
    "one less than the values": ("a,b\nr1,1,2\nr2,3,4\n", {"row_name": ["r1", "r2"], "a": [1, 3], "b": [2, 4]}),
    "delimiter at the end of each line": ("a,b\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
    "pandas' index": (",a\n0,1.5\n1,2.5\n", {"column_1": [0, 1], "a": [1.5, 2.5]}),
}
CATEGORIES: dict[str, dict[str, Case]] = {
    "delimiter": DELIMITERS,
    "quotes": QUOTES,
    "numbers": NUMBERS,
    "gaps": GAPS,
    "header": HEADERS,
}
READABLE = {f"{category}: {name}": case for category, cases in CATEGORIES.items() for name, case in cases.items()}


@pytest.mark.parametrize(("text", "expected"), READABLE.values(), ids=READABLE.keys())
def test_odd_but_readable(text: str, expected: dict[str, list[Any]], save: Save) -> None:
    found = columns(read_table(save(text)))
    assert equal(found, expected), found


ENCODINGS = {
    "utf-8": ("utf-8", "UTF-8"),
    "utf-8 with mark": ("utf-8-sig", "UTF-8 with byte order mark"),
    "utf-16": ("utf-16", "UTF-16"),
    "utf-16 big-endian": ("utf-16-be", "UTF-16 without byte order mark"),
    "utf-16 little-endian": ("utf-16-le", "UTF-16 without byte order mark"),
    "utf-32": ("utf-32", "UTF-32"),
    "windows western": ("cp1252", "cp1252 (guessed)"),
}


@pytest.mark.parametrize(("encoding", "told"), ENCODINGS.values(), ids=ENCODINGS.keys())
def test_encodings_are_detected_and_told(encoding: str, told: str, save: Save) -> None:
    table = read_table(save("Stadt;Größe\nZürich;1\nKöln;2\nMünchen;3\n".encode(encoding)))
    assert columns(table) == {"Stadt": ["Zürich", "Köln", "München"], "Größe": [1, 2, 3]}
    assert f"encoding {told}" in table.notes[0]


FOREIGN = {
    "cp1251": "Москва Казань Самара Омск Уфа Пермь Волгоград Краснодар Саратов Тюмень Ижевск Барнаул Иркутск Хабаровск",
    "cp932": "東京 大阪 名古屋 さいたま ひろしま せんだい ちば きたきゅうしゅう さかい にいがた",
    "gb18030": "北京 上海 广州 深圳 重庆 天津 成都 武汉 南京 西安 杭州 沈阳 哈尔滨 济南 长春 大连 昆明 贵阳",
}


@pytest.mark.parametrize("encoding", FOREIGN)
def test_encodings_of_other_scripts_are_guessed(encoding: str, save: Save) -> None:
    words = FOREIGN[encoding].split()
    text = "city,n\n" + "".join(f"{word},{number}\n" for number, word in enumerate(words))
    assert columns(read_table(save(text.encode(encoding))))["city"] == words


REFUSED = {
    "empty file": (b"", "is empty"),
    "blank lines only": (b"\n\n \n", "is empty"),
    "a mark only": (b"\xef\xbb\xbf", "is empty"),
    "header only": (b"a,b\n", "has a header but no rows"),
    "header and blank lines": (b"a,b\n\n\n", "has a header but no rows"),
    "a line too short": (b"a,b,c\n1,2,3\n1,2\n4,5,6\n", r"line 3 of table.csv has 2 and the header names 3"),
    "a line too long": (b"a,b\n1,2\n4,5\n1,2,3\n4,5\n", r"line 4 of table.csv has 3 and the header names 2"),
    "a line too long after a line break": (b'a,b\n"x\ny",2\n1,2,3\n', r"line 4 of table.csv has 3"),
    "a title line": (b"My report 2020\na,b,c\n1,2,3\n4,5,6\n", r"line 2 of table.csv has 3 and the header names 1"),
    "a line too short without header": (b"1.5,2,3\n1.7,2,0\n1.7,2\n2.8,1,1\n", r"line 3 of table.csv has 2"),
    "quote not closed": (b'a,b\n1,x\n2,"y\n3,z\n', r"near line 3 of table.csv is not closed"),
    "quote not closed in the last line": (b'a,b\n1,x\n2,"y', r"near line 3 of table.csv is not closed"),
    "quote not closed in the middle": (b'a,b\n"1,y\n3,z\n4,"w"\n', r"line 2 of table.csv"),
    "zero bytes": (b"a,b\n1,\0\n", "binary data"),
    "control characters": (b"a,b\n\x01\x02\x03,\x04\n", "binary data"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary data"),
    "a web page": (b"<!DOCTYPE html>\n<html></html>\n", "web page"),
    "JSON": (b'{"a": 1, "b": 2}\n', "JSON"),
    "half a character": ("a,b\n1,ü\n".encode("utf-16")[:-1], "breaks that encoding"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_rule_and_way_out(data: bytes, message: str, save: Save) -> None:
    with pytest.raises(TableError, match=message) as caught:
        read_table(save(data))
    assert "table.csv" in str(caught.value)


def test_ten_thousand_columns(save: Save) -> None:
    names = ",".join(f"c{i}" for i in range(10_000))
    row = ",".join(str(i / 2) for i in range(10_000))
    table = read_table(save(f"{names}\n{row}\n{row}\n"))
    assert table.frame.shape == (2, 10_000)
    assert table.frame["c9999"].tolist() == [4999.5, 4999.5]


def test_ten_thousand_columns_of_one_name(save: Save) -> None:
    table = read_table(save(",".join(["a"] * 10_000) + "\n" + ",".join(["1"] * 10_000) + "\n"))
    assert table.frame.columns.is_unique
    assert len(table.notes[-1]) < 200


def test_a_value_longer_than_a_block(save: Save) -> None:
    long = "word " * 2_000_000
    table = read_table(save(f'a,b\n1,"{long}"\n2,short\n'))
    assert table.frame["b"].tolist() == [long, "short"]


def test_detection_looks_beyond_a_long_first_part(save: Save) -> None:
    rows = "".join(f"{i};{i}\n" for i in range(1000)) + "1000;0,5\n"
    assert read_table(save("a;b\n" + rows)).frame["b"].iloc[-1] == 0.5


@pytest.mark.slow
def test_two_million_rows(save: Save) -> None:
    n = 2_000_000
    numbers = np.arange(n)
    lines = "\n".join(f"{i},{i % 7}.5,{'xyz'[i % 3]}" for i in range(n))
    frame = read_table(save(f"a,b,c\n{lines}\n")).frame
    assert (frame["a"].to_numpy() == numbers).all()
    assert frame["b"].sum() == (numbers % 7 + 0.5).sum()
    assert frame["c"].value_counts().to_dict() == {"x": 666_667, "y": 666_667, "z": 666_666}
