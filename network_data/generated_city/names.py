"""Names of streets, zones and junctions, in Chinese and in pinyin, made by combining characters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count

import numpy as np

from network_data.generated_city.scale import ARTERIAL, BRANCH, EXPRESSWAY, SECONDARY

Name = tuple[str, str]
"""Chinese, pinyin."""

_FIRST = (
    "长chang 安an 望wang 金jin 黄huang 潜qian 东dong 翡fei 怀huai 繁fan 紫zi 云yun 锦jin 徽hui "
    "庐lu 包bao 蜀shu 淮huai 巢chao 桐tong 芙fu 莲lian 湖hu 清qing 习xi 石shi 始shi 宁ning 寿shou "
    "合he 临lin 天tian 和he 滨bin 福fu 祥xiang 永yong 广guang 新xin 龙long 凤feng 松song 竹zhu "
    "梅mei 兰lan 桂gui 枫feng 柳liu 青qing 碧bi 玉yu 银yin 星xing 明ming 春chun 嘉jia 瑞rui 景jing "
    "文wen 学xue 科ke 创chuang 锦jin 百bai 千qian 万wan 大da 南nan"
)
_SECOND = (
    "江jiang 山shan 寨zhai 河he 城cheng 州zhou 流liu 翠cui 宁ning 华hua 云yun 谷gu 绣xiu 园yuan "
    "阳yang 湖hu 泉quan 林lin 溪xi 塘tang 桥qiao 岭ling 峰feng 海hai 门men 台tai 亭ting 苑yuan "
    "港gang 湾wan 洲zhou 泽ze 川chuan 原yuan 坪ping 岗gang 田tian 圩wei 埠bu 岛dao 平ping 安an "
    "康kang 泰tai 丰feng 兴xing 盛sheng 昌chang 荣rong 乐le 吉ji 庆qing 贤xian 德de 仁ren 义yi "
    "信xin 礼li 智zhi 光guang 明ming 霞xia 月yue 风feng 雪xue"
)
_SUFFIXES: Mapping[str, tuple[Name, ...]] = {
    EXPRESSWAY: (("快速路", "Kuaisulu"), ("大道", "Dadao")),
    ARTERIAL: (("大道", "Dadao"), ("路", "Lu"), ("路", "Lu")),
    SECONDARY: (("路", "Lu"),),
    BRANCH: (("路", "Lu"), ("街", "Jie"), ("巷", "Xiang")),
}
ZONE: Name = ("网格", "Wangge")
_EAST_WEST = (("东", "Dong"), ("西", "Xi"))
_NORTH_SOUTH = (("北", "Bei"), ("南", "Nan"))


def _characters(text: str) -> tuple[Name, ...]:
    return tuple((entry[0], entry[1:]) for entry in dict.fromkeys(text.split()))


class Namer:
    """Gives names that are never given twice."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._stems = _stems(rng)

    def stem(self) -> Name:
        """A new stem of two characters; of three, when all of these are used up."""
        return next(self._stems)

    def street(self, road_class: str) -> Name:
        """A street's name with the suffix of its class."""
        chinese, pinyin = self.stem()
        suffixes = _SUFFIXES[road_class]
        suffix = suffixes[int(self._rng.integers(len(suffixes)))]
        return chinese + suffix[0], f"{pinyin} {suffix[1]}"

    def zone(self) -> Name:
        """A grid zone's name."""
        chinese, pinyin = self.stem()
        return chinese + ZONE[0], f"{pinyin} {ZONE[1]}"


def _stems(rng: np.random.Generator) -> Iterator[Name]:
    first, second = _characters(_FIRST), _characters(_SECOND)
    pairs = [(a, b) for a in first for b in second if a[0] != b[0]]
    order = rng.permutation(len(pairs))
    used: set[str] = set()
    for extra in count():
        third = ("", "") if extra == 0 else second[(extra - 1) % len(second)]
        for k in order:
            (a, a_latin), (b, b_latin) = pairs[k]
            chinese = a + b + third[0]
            if chinese not in used:
                used.add(chinese)
                yield chinese, (a_latin + b_latin + third[1]).capitalize()


def junction_names(
    streets_at: Mapping[str, Sequence[Name]], places: Mapping[str, tuple[float, float]]
) -> dict[str, Name]:
    """A name for every junction, from the streets that meet there, the greatest first.

    ``road × road 路口``. Streets that meet twice have an eastern and a western junction, or a
    northern and a southern one; from three on they are numbered along.
    """
    alike: dict[tuple[Name, ...], list[str]] = defaultdict(list)
    for junction_id, streets in streets_at.items():
        alike[tuple(dict.fromkeys(streets))[:2]].append(junction_id)
    found = {}
    for streets, junction_ids in alike.items():
        chinese = "与".join(street[0] for street in streets)
        pinyin = " & ".join(street[1] for street in streets)
        for junction_id, (mark, mark_latin) in _told_apart(junction_ids, places).items():
            shown = f"{pinyin} {mark_latin}".rstrip()
            found[junction_id] = (f"{chinese}{mark}路口", f"{shown} Lukou")
    return found


def _told_apart(
    junction_ids: Sequence[str], places: Mapping[str, tuple[float, float]]
) -> dict[str, Name]:
    if len(junction_ids) == 1:
        return {junction_ids[0]: ("", "")}
    xs, ys = zip(*(places[j] for j in junction_ids), strict=True)
    lies_along = max(xs) - min(xs) >= max(ys) - min(ys)
    ordered = sorted(junction_ids, key=lambda j: places[j][0 if lies_along else 1], reverse=True)
    if len(ordered) == 2:
        return dict(zip(ordered, _EAST_WEST if lies_along else _NORTH_SOUTH, strict=True))
    return {j: (f"{n}号", f"No. {n}") for n, j in enumerate(ordered, 1)}
