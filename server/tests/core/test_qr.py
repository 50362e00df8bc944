"""The picture shows what segno computed, and nothing else."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import segno

from identry.core import qr, totp

SVG = "{http://www.w3.org/2000/svg}"
URI = totp.provisioning_uri(totp.new_secret(), issuer="Café & <b>", email="ada+x@example.com")


def drawn(path: str, size: int) -> list[list[int]]:
    """The modules that the strokes of a path cover."""
    rows = [[0] * size for _ in range(size)]
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        values = [float(number) for number in numbers.split()]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            for i in range(int(values[0])):
                rows[int(y)][int(x) + i] = 1
            x += values[0]
    return rows


def test_the_picture_has_the_modules_of_the_code_inside_a_white_border() -> None:
    root = ET.fromstring(qr.svg(URI))
    size = int(root.attrib["viewBox"].split()[2])
    background, modules = root
    assert (background.attrib["fill"], modules.attrib["stroke"]) == ("#fff", "#000")
    shown = drawn(modules.attrib["d"], size)
    expected = segno.make_qr(URI, error="m", boost_error=False).matrix
    assert [row[4:-4] for row in shown[4:-4]] == [list(row) for row in expected]
    border = [*shown[:4], *shown[-4:], *(row[:4] for row in shown), *(row[-4:] for row in shown)]
    assert not any(any(row) for row in border)


def test_the_picture_is_shapes_only_and_repeats_nothing_that_it_was_told() -> None:
    picture = qr.svg(URI)
    assert {element.tag for element in ET.fromstring(picture).iter()} == {f"{SVG}svg", f"{SVG}path"}
    assert "href" not in picture
    assert "example.com" not in picture


def test_a_very_long_address_still_fits() -> None:
    email = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.com"
    assert qr.svg(totp.provisioning_uri(totp.new_secret(), issuer="X" * 200, email=email))
