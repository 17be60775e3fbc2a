"""Makes the fonts of the pictures anew: parts of Noto Sans, of Noto Sans Arabic and of Noto Sans CJK SC.

From the Debian packages fonts-noto-core and fonts-noto-cjk and Python's fonttools:

    apt-get install fonts-noto-core fonts-noto-cjk && pip install fonttools
    python3 assets/fonts/make.py [folder of the fonts, default /usr/share/fonts]

`latin.ttf` has the letters of the European languages, digits, punctuation and the signs of currencies. `arabic.ttf` has the
letters, marks and punctuation of Arabic, with the forms that they take in a word. `han.otf` has the
first level of GB 2312 (3,755 characters), Chinese punctuation, full-width forms, a few signs that Noto Sans lacks, and
every further character of `templates/`; nothing that the others have, so that digits look the same everywhere.
"""

import pathlib
import sys

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

HERE = pathlib.Path(__file__).resolve().parent
TEMPLATES = HERE.parents[1] / "templates"
FONTS = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/fonts")

LATIN = [
    *range(0x20, 0x7F), *range(0xA0, 0x180), 0x18F, 0x192, 0x1A0, 0x1A1, 0x1AF, 0x1B0, *range(0x1CD, 0x1DD),
    *range(0x218, 0x21C), 0x259, 0x2C6, 0x2C7, *range(0x2D8, 0x2DE), *range(0x300, 0x305), *range(0x306, 0x30D),
    0x323, 0x326, 0x327, 0x328, *range(0x1E80, 0x1E86), 0x1E9E, *range(0x1EA0, 0x1EFA),
    *range(0x2010, 0x2028), 0x202F, *range(0x2030, 0x2040), 0x2044, 0x2070, *range(0x2074, 0x207A), *range(0x2080, 0x208A),
    *range(0x20A0, 0x20C0), 0x2116, 0x2122,
]
ARABIC = [
    0x60C, 0x61B, 0x61F, *range(0x621, 0x63B), *range(0x640, 0x656), *range(0x660, 0x66D), 0x670, 0x671, 0x679, 0x67E, 0x686,
    0x688, 0x691, 0x698, 0x6A4, 0x6A9, 0x6AF, 0x6BA, 0x6BE, 0x6C1, 0x6C3, 0x6CC, 0x6D2, 0x6D4, *range(0x6F0, 0x6FA),
]
ARABIC_FEATURES = ["isol", "init", "medi", "fina", "rlig", "calt", "ccmp", "curs", "kern", "mark", "mkmk"]
GB2312_SIGNS = [(row, cell) for row in (1, 3) for cell in range(1, 95)]
GB2312_LEVEL_1 = [(row, cell) for row in range(16, 56) for cell in range(1, 95)]
SIGNS = "−≤≥≈≠→←↑↓①②③④⑤⑥⑦⑧⑨⑩■□▲▼●○★☆"


def gb2312(places):
    for row, cell in places:
        try:
            yield ord(bytes([0xA0 + row, 0xA0 + cell]).decode("gb2312"))
        except UnicodeDecodeError:
            pass


def written(font, characters, features, file):
    options = subset.Options()
    options.hinting = False
    options.layout_features = features
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]
    options.drop_tables += ["DSIG", "BASE", "VORG", "vhea", "vmtx", "gasp"]
    # A character that is missing is a gap, not a box: the tests look for ink.
    options.notdef_outline = False
    part = subset.Subsetter(options)
    part.populate(unicodes=characters)
    part.subset(font)
    font.recalcTimestamp = False
    font.save(HERE / file)
    print(file, (HERE / file).stat().st_size, "bytes,", len(font.getBestCmap()), "characters")


def main():
    [latin_file] = FONTS.rglob("NotoSans-Regular.ttf")
    [han_file] = FONTS.rglob("NotoSansCJK-Regular.ttc")
    latin = TTFont(latin_file)
    [han] = [font for font in TTCollection(han_file).fonts if font["name"].getDebugName(1) == "Noto Sans CJK SC"]
    written(latin, LATIN, ["kern", "mark", "mkmk", "ccmp"], "latin.ttf")
    [arabic_file] = FONTS.rglob("NotoSansArabic-Regular.ttf")
    arabic = TTFont(arabic_file)
    written(arabic, ARABIC, ARABIC_FEATURES, "arabic.ttf")

    words = {ord(letter) for file in TEMPLATES.rglob("*.*") for letter in file.read_text(encoding="utf-8")}
    wanted = {*gb2312(GB2312_SIGNS), *gb2312(GB2312_LEVEL_1), *map(ord, SIGNS), *range(0x3000, 0x3020), *words}
    wanted -= {letter for letter in wanted if letter < 0x80}
    written(han, sorted(wanted - set(latin.getBestCmap()) - set(arabic.getBestCmap())), [], "han.otf")


main()
