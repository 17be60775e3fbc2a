"""Makes the fonts of the pictures anew: parts of Noto Sans, of Noto Sans Arabic and of Noto Sans CJK SC and HK.

From the Debian packages fonts-noto-core and fonts-noto-cjk and Python's fonttools:

    apt-get install fonts-noto-core fonts-noto-cjk && pip install fonttools
    python3 assets/fonts/make.py [folder of the fonts, default /usr/share/fonts]

`latin.ttf` has the letters of the European languages, digits, punctuation and the signs of currencies. `arabic.ttf` has the
letters, marks and punctuation of Arabic, with the forms that they take in a word. `han.otf` has the
first level of GB 2312 (3,755 characters), Chinese punctuation, full-width forms, a few signs that Noto Sans lacks, and
every further character of `templates/` but for Hong Kong's; nothing that the others have, so that digits look the same
everywhere. `han-hk.otf` has what Hong Kong writes otherwise: of the first level of Big5 (5,401 characters), of the characters
of Cantonese, and of `templates/zh-HK/`, those that `han.otf` lacks and those that have another shape there.
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
# Of Cantonese, of places and of what is eaten in Hong Kong and Macau; what Big5 has besides does no harm.
CANTONESE = (
    "嘅啲咗喺嗰咁哋冇嘢佢唔乜嚟睇攞畀俾嗌嘥揾搵嬲冧噏嚿咩啱攰嘞喎啩嗱㗎嘛咪哂晒咭曱甴掂揀執褸氹埗涌茘滘磡輋孖咀嶼埔邨鱲鰂舖麪麵"
    "餠撻煱煑焗炆煲燉餸脷粿滷鹵鷄鴿鯇鯪鱔鯧鮟鱇魷蟶蜆蠔鮑螄蔴菓芫荽茜蕃薯粟瀨腩腸胗燴烚餃餛飩糭粽糉糍餼"
)
SIGNS = "−≤≥≈≠→←↑↓①②③④⑤⑥⑦⑧⑨⑩■□▲▼●○★☆"


def big5_level_1():
    for lead in range(0xA4, 0xC7):
        for trail in [*range(0x40, 0x7F), *range(0xA1, 0xFF)]:
            try:
                yield ord(bytes([lead, trail]).decode("big5"))
            except UnicodeDecodeError:
                pass


def letters_of(files):
    return {ord(letter) for file in files for letter in file.read_text(encoding="utf-8")}


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
    names = {"Noto Sans CJK SC": "SC", "Noto Sans CJK HK": "HK"}
    collection = [(font["name"].getDebugName(1), font) for font in TTCollection(han_file).fonts]
    han = {names[name]: font for name, font in collection if name in names}
    written(latin, LATIN, ["kern", "mark", "mkmk", "ccmp"], "latin.ttf")
    [arabic_file] = FONTS.rglob("NotoSansArabic-Regular.ttf")
    arabic = TTFont(arabic_file)
    written(arabic, ARABIC, ARABIC_FEATURES, "arabic.ttf")

    hong_kong = set(TEMPLATES.glob("zh-HK/*"))
    words = letters_of(file for file in TEMPLATES.rglob("*.*") if file not in hong_kong)
    signs = {*gb2312(GB2312_SIGNS), *map(ord, SIGNS), *range(0x3000, 0x3020)}
    wanted = {*signs, *gb2312(GB2312_LEVEL_1), *words}
    wanted = {letter for letter in wanted if letter >= 0x80} - set(latin.getBestCmap()) - set(arabic.getBestCmap())
    # The regions share their glyphs: what has the same number has the same shape.
    shapes = {region: font.getBestCmap() for region, font in han.items()}
    wanted_hk = {*signs, *big5_level_1(), *map(ord, CANTONESE), *letters_of(hong_kong)}
    wanted_hk = {letter for letter in wanted_hk if letter >= 0x80} - set(latin.getBestCmap()) - set(arabic.getBestCmap())
    own = {letter for letter in wanted_hk if letter not in wanted or shapes["HK"].get(letter) != shapes["SC"].get(letter)}
    written(han["SC"], sorted(wanted), [], "han.otf")
    written(han["HK"], sorted(own), [], "han-hk.otf")


main()
