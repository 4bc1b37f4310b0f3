"""Made-up Chinese names with their pinyin initials, the same for the same seed and index. No real person is meant."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

_SURNAMES = (
    "王W李L张Z刘L陈C杨Y黄H赵Z吴W周Z徐X孙S马M朱Z胡H郭G何H林L高G罗L郑Z梁L谢X宋S唐T许X邓D冯F韩H曹C"
    "曾Z彭P萧X蔡C潘P田T董D袁Y于Y余Y叶Y蒋J杜D苏S魏W程C吕L丁D沈S任R姚Y卢L傅F钟Z姜J崔C谭T廖L范F汪W"
    "陆L金J石S戴D贾J韦W夏X邱Q方F侯H邹Z熊X孟M秦Q白B江J阎Y薛X尹Y段D雷L黎L史S龙L陶T贺H顾G毛M郝H龚G"
)
_GIVEN = (
    "伟W芳F娜N敏M静J丽L强Q磊L军J洋Y勇Y艳Y杰J娟J涛T明M超C秀X霞X平P刚G桂G英Y华H玉Y兰L红H建J国G文W"
    "辉H玲L鹏P波B斌B宇Y浩H凯K健J俊J帆F雪X梅M琳L晨C阳Y欣X怡Y佳J悦Y思S涵H子Z轩X雨Y泽Z诗S梦M瑶Y婷T"
    "嘉J慧H颖Y倩Q蕾L璐L晶J莹Y亮L东D峰F飞F林L海H山S川C春C夏X秋Q冬D云Y星X月Y清Q源Y志Z远Y正Z德D仁R"
    "义Y礼L信X忠Z孝X安A康K宁N乐L福F瑞R祥X庆Q荣R昌C盛S恒H新X立L成C达D广G宏H博B学X维W哲Z睿R翔X"
)
SURNAMES = tuple(_SURNAMES[at : at + 2] for at in range(0, len(_SURNAMES), 2))
"""Each a character and the first letter of its pinyin."""
GIVEN = tuple(_GIVEN[at : at + 2] for at in range(0, len(_GIVEN), 2))
ONE_CHARACTER_IN = 4
"""One given name in so many has a single character."""


class MadeUpName(NamedTuple):
    """A name and the first letters of its pinyin, lower case."""

    name: str
    initials: str


def draw(seed: int, what: str, index: int, below: int) -> int:
    """Return a number 0 <= n < below that depends on the arguments alone (SHA-256; not for secrets)."""
    digest = hashlib.sha256(f"{seed}/{what}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % below


def made_up_name(seed: int, index: int) -> MadeUpName:
    """Return the name of person `index`; names repeat, as they do among real people."""
    parts = [SURNAMES[draw(seed, "surname", index, len(SURNAMES))], GIVEN[draw(seed, "first", index, len(GIVEN))]]
    if draw(seed, "length", index, ONE_CHARACTER_IN):
        parts.append(GIVEN[draw(seed, "second", index, len(GIVEN))])
    return MadeUpName("".join(part[0] for part in parts), "".join(part[1] for part in parts).lower())
