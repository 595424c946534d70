"""Invented places and readable names for the anonymous stores and abbreviated products of the data set."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

from shuke.config.demo.people import SEED

CHAIN = "鲜集"
_CITIES = {
    "上海": ("浦东", "徐汇", "静安", "杨浦", "闵行", "长宁", "宝山", "普陀"),
    "杭州": ("西湖", "上城", "拱墅", "滨江", "余杭", "萧山"),
    "苏州": ("姑苏", "吴中", "相城", "园区", "虎丘"),
    "南京": ("鼓楼", "秦淮", "玄武", "建邺", "江宁"),
    "宁波": ("海曙", "江北", "鄞州", "镇海"),
    "无锡": ("梁溪", "滨湖", "锡山"),
    "合肥": ("庐阳", "蜀山", "包河"),
    "常州": ("天宁", "钟楼", "武进"),
    "嘉兴": ("南湖", "秀洲"),
    "绍兴": ("越城", "柯桥"),
}
_ROADS = (
    "人民 中山 解放 建设 和平 新华 文化 学院 体育 公园 滨河 湖滨 东湖 南山 西溪 北苑 长江 黄河 淮海 延安 复兴 胜利 幸福 光明 "
    "青年 朝阳 春晖 凤凰 金桥 银杏 桂花 梅园 兰亭 竹园 松涛 枫林 莲花 百合 翠微 云栖"
)
_KINDS = ("路店", "路店", "广场店", "里店", "街店")

_WORDS = {
    "FRZN": "Frozen", "SFT": "Soft", "DRNKS": "Drinks", "CHKN": "Chicken", "CKN": "Chicken", "VEG": "Vegetables",
    "PKG": "Packaged", "PCKGD": "Packaged", "PRDCTS": "Products", "PROD": "Products", "MISC": "Miscellaneous",
    "BTTL": "Bottle", "BTLS": "Bottles", "CARB": "Carbonated", "BEV": "Beverages", "SNKS": "Snacks", "CRKRS": "Crackers",
    "CKIES": "Cookies", "WHT": "White", "WHL": "Whole", "CHS": "Cheese", "JCE": "Juice", "JUICE": "Juice",
    "DRSNG": "Dressing", "DRSNGS": "Dressings", "SCE": "Sauce", "SUPL": "Supplies", "SUP": "Supplies",
    "CONV": "Convenience", "REFRGRATD": "Refrigerated", "REFRIG": "Refrigerated", "REFRGERATD": "Refrigerated",
    "DLI": "Deli", "SALAD": "Salad", "PNT": "Peanut", "BTR": "Butter", "W": "with", "WO": "without", "OZ": "oz",
    "LB": "lb", "CT": "ct", "GAL": "gal", "GM": "General Merchandise", "ML": "ml",
}  # fmt: skip
_WORD = re.compile(r"[A-Z0-9.&']+")


def store_places(codes: Iterable[int]) -> dict[int, tuple[str, str]]:
    """(name, region) for each store code, always the same and each name once."""
    dice = random.Random(SEED)  # noqa: S311 - a fixed seed is the point
    weights = [len(districts) ** 2 for districts in _CITIES.values()]
    roads = _ROADS.split()
    taken: set[str] = set()
    places: dict[int, tuple[str, str]] = {}
    for code in sorted(codes):
        while True:
            city = dice.choices(list(_CITIES), weights)[0]
            name = f"{CHAIN}{city}{dice.choice(_CITIES[city])}{dice.choice(roads)}{dice.choice(_KINDS)}"
            if name not in taken:
                break
        taken.add(name)
        places[code] = (name, city)
    return places


def product_name(kind: str | None, category: str | None, department: str, size: str | None) -> str:
    """ "ICE - CRUSHED/CUBED", "22 LB" → "Ice - Crushed/Cubed, 22 lb"."""
    name = _readable(kind or category or department)
    return f"{name}, {_readable(size)}"[:160] if size and size.strip() else name[:160]


def category_path(department: str, category: str | None, kind: str | None) -> str:
    """The three levels of the data set as a path; a slash inside a level becomes an ampersand."""
    levels = [" ".join(level.replace("/", " & ").split()) for level in (department, category, kind) if level]
    return "/".join(level for level in levels if level)


def _readable(text: str | None) -> str:
    words = _WORD.sub(
        lambda found: _WORDS.get(found[0], found[0].capitalize()), " ".join((text or "").split())
    )
    return re.sub(r"\s*:\s*", ": ", words)
