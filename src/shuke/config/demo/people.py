"""Invented people for real households: names, phones, birthdays and genders from a fixed seed, so always the same.

Nothing here comes from the data set, which is anonymous. A member made so carries the tag "generated". Phone numbers
have the form of mainland mobile numbers: never send anything to them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

SEED = "shuke-demo-1"

# The most frequent surnames of the 2020 census of household registers, in per mille of the population.
_SURNAMES = (
    "王73 李72 张66 刘52 陈46 杨31 黄22 赵20 吴19 周19 徐15 孙14 马13 朱12 胡12 郭11 何11 林11 高10 "
    "罗10 郑9 梁8 谢7 宋7 唐7 许7 韩6 邓6 冯6 曹6 彭5 曾5 肖6 田5 董5 潘5 袁5 蔡5 "
    "蒋4 余4 于4 杜4 叶4 程4 魏4 苏4 吕4 丁4 任4 卢4 姚3 沈3 钟3 姜3 崔3 谭3 陆3 "
    "范3 汪3 廖3 石3 金3 韦3 贾3 夏3 付2 方2 邹2 熊2 白2 孟2 秦2 邱2 侯2 江2 尹2 "
    "薛2 闫2 段2 雷2 龙2 黎2 史2 陶2 贺2 毛2 郝2 顾2 龚2 邵2 万2 覃2 武2 钱2 戴2 "
    "严2 莫1 孔1 向1 常1 汤1 康1 易1 乔1 赖1 庄1 文1 欧阳1 上官1 司马1 诸葛1"
)
_GIVEN: Mapping[tuple[str, str], tuple[str, str]] = {
    # (first character, second character) of two-character given names, by gender and generation.
    ("female", "old"): ("秀桂玉淑凤春美丽兰金素红月爱惠", "英兰珍芳华梅荣琴花云霞萍香莲娥"),
    ("female", "middle"): ("晓丽海燕小红雪秀文静艳婷慧春玉", "燕丽娟敏静霞芳玲艳梅萍红莉娜琳"),
    ("female", "young"): ("思雨欣佳梦子诗若晨婉语可雅梓芷", "涵怡琪婷雯瑶萱妍彤溪宁悦然菲晴"),
    ("male", "old"): ("建国志文德永明金福光家世学庆振", "国华明军平民生林荣祥山海成德强"),
    ("male", "middle"): ("志海建晓国文永俊小学伟立宏少东", "强伟军斌勇峰超波涛鹏磊辉刚杰飞"),
    ("male", "young"): ("浩子宇俊嘉泽晨梓明天思博一文奕", "轩然宇航杰豪睿涵阳辰博铭霖哲昊"),
}
_SINGLE: Mapping[tuple[str, str], str] = {
    ("female", "old"): "英芳兰梅琴霞",
    ("female", "middle"): "敏静丽艳娟娜燕玲",
    ("female", "young"): "婷雪欣怡瑶琪璐颖",
    ("male", "old"): "军明华平林刚",
    ("male", "middle"): "伟强磊勇涛超鹏斌",
    ("male", "young"): "浩宇杰帆航轩睿晨",
}
# Ranges that the four carriers use, as of 2026.
_PREFIXES = (
    "130 131 132 133 134 135 136 137 138 139 147 150 151 152 153 155 156 157 158 159 166 171 172 173 175 176 177 178 "
    "180 181 182 183 184 185 186 187 188 189 190 191 193 195 196 197 198 199"
)
_AGES = {
    "19-24": (19, 24),
    "25-34": (25, 34),
    "35-44": (35, 44),
    "45-54": (45, 54),
    "55-64": (55, 64),
    "65+": (65, 82),
}
_PREFIX_LIST = _PREFIXES.split()
_SURNAME_LIST = [entry.rstrip("0123456789") for entry in _SURNAMES.split()]
_SURNAME_WEIGHTS = [int(entry.lstrip("".join(_SURNAME_LIST))) for entry in _SURNAMES.split()]


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    phone: str
    gender: str
    birthday: date
    joined_days_before: int
    """Days between joining and the first basket."""


def make_people(ages: Mapping[int, str | None], last_day: date) -> dict[int, Person]:
    """A person for each household; `ages` maps a household to its age band (None: unknown). Phones are unique."""
    taken: set[str] = set()
    people: dict[int, Person] = {}
    for household in sorted(ages):
        dice = random.Random(f"{SEED}-{household}")  # noqa: S311 - a fixed seed is the point
        gender = "female" if dice.random() < 0.61 else "male"
        low, high = _AGES.get(ages[household] or "", (21, 78))
        age = dice.randint(low, high) if ages[household] else min(max(int(dice.gauss(43, 13)), low), high)
        birthday = date(last_day.year - age - 1, last_day.month, 1) + timedelta(days=dice.randrange(365))
        phone = _phone(dice)
        while phone in taken:
            phone = _phone(dice)
        taken.add(phone)
        people[household] = Person(
            name=_name(dice, gender, last_day.year - age),
            phone=phone,
            gender=gender,
            birthday=birthday,
            joined_days_before=min(int(dice.expovariate(1 / 20)), 120),
        )
    return people


def _phone(dice: random.Random) -> str:
    return f"{dice.choice(_PREFIX_LIST)}{dice.randrange(10**8):08d}"


def _name(dice: random.Random, gender: str, born: int) -> str:
    generation = "old" if born < 1968 else "middle" if born < 1990 else "young"
    surname = dice.choices(_SURNAME_LIST, _SURNAME_WEIGHTS)[0]
    if dice.random() < 0.14:
        return surname + dice.choice(_SINGLE[gender, generation])
    firsts, seconds = _GIVEN[gender, generation]
    first, second = dice.choice(firsts), dice.choice(seconds)
    return surname + first + (second if second != first else dice.choice(seconds.replace(first, "")))
