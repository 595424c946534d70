"""Chinese surnames that a dictionary of characters reads wrongly, and surnames of two characters.

Readings are toneless, with v for ü, as an input method takes them; the usual one comes first. Only what pypinyin's
table of single characters reads otherwise is listed.
"""

from __future__ import annotations

SURNAME_READINGS: dict[str, tuple[str, ...]] = {
    "单": ("shan",), "單": ("shan",), "曾": ("zeng",), "解": ("xie",), "仇": ("qiu",), "区": ("ou",),
    "區": ("ou",), "查": ("zha",), "翟": ("zhai",), "朴": ("piao",), "樸": ("piao",), "盖": ("ge",),
    "蓋": ("ge",), "乐": ("yue",), "樂": ("yue",), "折": ("she",), "种": ("chong",),
    "員": ("yun", "yuan"), "员": ("yun", "yuan"), "缪": ("miao",), "繆": ("miao",), "召": ("shao",),
    "繁": ("po",), "秘": ("bi",), "祕": ("bi",), "洗": ("xian",), "覃": ("qin", "tan"), "佴": ("nai",),
    "黑": ("he", "hei"), "牟": ("mu",), "隗": ("wei", "kui"), "逢": ("pang",), "郇": ("xun",),
    "乜": ("nie",), "粘": ("nian",), "薄": ("bo",), "卜": ("bu",), "长": ("chang",), "都": ("du",),
    "炅": ("gui",), "角": ("jue",), "阚": ("kan",), "么": ("yao",), "能": ("nai", "neng"),
    "曽": ("zeng",), "祭": ("zhai",), "重": ("chong",), "藏": ("zang",), "尉": ("wei", "yu"),
    "行": ("xing", "hang"), "宓": ("mi", "fu"),
}  # fmt: skip

COMPOUND_SURNAMES: dict[str, tuple[str, str]] = {
    "欧阳": ("ou", "yang"), "歐陽": ("ou", "yang"), "司马": ("si", "ma"), "司馬": ("si", "ma"),
    "上官": ("shang", "guan"), "诸葛": ("zhu", "ge"), "諸葛": ("zhu", "ge"), "东方": ("dong", "fang"),
    "東方": ("dong", "fang"), "皇甫": ("huang", "fu"), "尉迟": ("yu", "chi"), "尉遲": ("yu", "chi"),
    "公孙": ("gong", "sun"), "公孫": ("gong", "sun"), "慕容": ("mu", "rong"), "令狐": ("ling", "hu"),
    "钟离": ("zhong", "li"), "鍾離": ("zhong", "li"), "宇文": ("yu", "wen"), "长孙": ("zhang", "sun"),
    "長孫": ("zhang", "sun"), "轩辕": ("xuan", "yuan"), "軒轅": ("xuan", "yuan"), "夏侯": ("xia", "hou"),
    "司徒": ("si", "tu"), "司空": ("si", "kong"), "司寇": ("si", "kou"), "端木": ("duan", "mu"),
    "百里": ("bai", "li"), "呼延": ("hu", "yan"), "独孤": ("du", "gu"), "獨孤": ("du", "gu"),
    "南宫": ("nan", "gong"), "南宮": ("nan", "gong"), "万俟": ("mo", "qi"), "萬俟": ("mo", "qi"),
    "闻人": ("wen", "ren"), "聞人": ("wen", "ren"), "赫连": ("he", "lian"), "赫連": ("he", "lian"),
    "澹台": ("tan", "tai"), "澹臺": ("tan", "tai"), "公冶": ("gong", "ye"), "宗政": ("zong", "zheng"),
    "濮阳": ("pu", "yang"), "濮陽": ("pu", "yang"), "淳于": ("chun", "yu"), "单于": ("chan", "yu"),
    "單于": ("chan", "yu"), "太叔": ("tai", "shu"), "申屠": ("shen", "tu"), "仲孙": ("zhong", "sun"),
    "仲孫": ("zhong", "sun"), "西门": ("xi", "men"), "西門": ("xi", "men"), "拓跋": ("tuo", "ba"),
    "完颜": ("wan", "yan"), "完顏": ("wan", "yan"), "耶律": ("ye", "lv"), "纳兰": ("na", "lan"),
    "納蘭": ("na", "lan"), "左丘": ("zuo", "qiu"), "东郭": ("dong", "guo"), "東郭": ("dong", "guo"),
    "梁丘": ("liang", "qiu"), "公羊": ("gong", "yang"), "谷梁": ("gu", "liang"), "第五": ("di", "wu"),
    "乐正": ("yue", "zheng"), "樂正": ("yue", "zheng"), "闾丘": ("lv", "qiu"), "段干": ("duan", "gan"),
    "鲜于": ("xian", "yu"), "鮮于": ("xian", "yu"), "叶赫": ("ye", "he"), "爱新": ("ai", "xin"),
    "即墨": ("ji", "mo"), "达奚": ("da", "xi"), "褚师": ("chu", "shi"),
}  # fmt: skip

GIVEN_READINGS: dict[str, tuple[str, ...]] = {
    "晟": ("sheng", "cheng"), "乐": ("le", "yue"), "樂": ("le", "yue"), "茜": ("qian", "xi"),
    "行": ("xing", "hang"), "朝": ("chao", "zhao"), "重": ("chong", "zhong"), "长": ("chang", "zhang"),
    "長": ("chang", "zhang"), "盛": ("sheng", "cheng"), "柏": ("bai", "bo"), "莎": ("sha", "suo"),
    "娜": ("na", "nuo"), "曾": ("zeng", "ceng"), "仔": ("zi", "zai"), "单": ("dan", "shan"),
    "都": ("du", "dou"), "弹": ("tan", "dan"), "调": ("tiao", "diao"), "传": ("chuan", "zhuan"),
    "藏": ("zang", "cang"), "琢": ("zhuo", "zuo"), "贾": ("jia", "gu"), "尉": ("wei", "yu"),
    "扎": ("zha", "za"), "奇": ("qi", "ji"), "荨": ("xun", "qian"), "着": ("zhuo", "zhe"),
    "朴": ("pu", "piao"), "卡": ("ka", "qia"), "伽": ("jia", "qie"), "拓": ("tuo", "ta"),
    "车": ("che", "ju"), "石": ("shi", "dan"), "宿": ("su", "xiu"), "参": ("can", "shen"),
    "还": ("huan", "hai"), "将": ("jiang", "qiang"), "覃": ("tan", "qin"),
}  # fmt: skip
"""Characters that are read in a given name in another way, or in two ways that only the bearer can tell apart."""


def split_surname(han: str) -> tuple[str, str]:
    """(surname, given name) of a name written in Han characters only; the given name may be empty."""
    if len(han) > 2 and han[:2] in COMPOUND_SURNAMES:
        return han[:2], han[2:]
    return han[:1], han[1:]
