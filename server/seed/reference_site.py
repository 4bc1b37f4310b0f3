"""The reference site as data: places, times and prices. Its figures are those of the real place; all names are made up.

No rows are written here.
"""

from __future__ import annotations

from cardcore.calendar import WORKDAYS, Interval
from cardcore.ids import LaneId, LevelId, MealId, ScheduleId, StallId, TillId, ZoneId
from cardcore.money import Fen
from server.access.service import AccessLevel, Lane, NewSite, Schedule, Zone
from server.canteen.service import MealPeriod, Stall, Tariff, Till

SITE = NewSite("reference", "District administrative centre", "区行政中心")

CATEGORIES = (
    ("staff", "Staff", "机关职工"),
    ("tenant", "Innovation centre tenant", "科创中心租户"),
    ("guest", "Guest", "来宾"),
    ("contractor", "Contractor", "外包施工"),
)

DEPARTMENTS = (
    ("General office", "办公室"),
    ("Organisation", "组织部"),
    ("Publicity", "宣传部"),
    ("United front", "统战部"),
    ("Development and reform", "发展和改革局"),
    ("Education", "教育局"),
    ("Science and technology", "科学技术局"),
    ("Industry", "工业和信息化局"),
    ("Civil affairs", "民政局"),
    ("Justice", "司法局"),
    ("Finance", "财政局"),
    ("Human resources", "人力资源局"),
    ("Natural resources", "自然资源局"),
    ("Environment", "生态环境局"),
    ("Housing", "住房和建设局"),
    ("Transport", "交通运输局"),
    ("Water", "水务局"),
    ("Agriculture", "农业农村局"),
    ("Commerce", "商务局"),
    ("Culture and tourism", "文化和旅游局"),
    ("Health", "卫生健康局"),
    ("Veterans", "退役军人事务局"),
    ("Emergency management", "应急管理局"),
    ("Audit", "审计局"),
    ("Market supervision", "市场监督管理局"),
    ("Statistics", "统计局"),
    ("Medical insurance", "医疗保障局"),
    ("Facilities", "机关事务管理局"),
)

OUTSIDE = ZoneId("outside")
COMPOUND = ZoneId("compound")
ZONES = (Zone(OUTSIDE, "Outside", "院外"), Zone(COMPOUND, "Compound", "院内"))

_HOUR = 3600
SCHEDULES = (
    Schedule(ScheduleId("always"), "Always", "全天", (Interval(on_holidays=True),)),
    Schedule(ScheduleId("long-day"), "06:00 to 23:00", "6:00至23:00", (Interval(6 * _HOUR, 23 * _HOUR),)),
    Schedule(
        ScheduleId("site-work"), "Workdays 07:00 to 19:00", "工作日7:00至19:00",
        (Interval(7 * _HOUR, 19 * _HOUR, WORKDAYS),),
    ),
)  # fmt: skip

LEAVE = LevelId("leave")
LEVELS = (
    AccessLevel(LEAVE, "Leave at any time", "随时离院", ScheduleId("always"), (OUTSIDE,)),
    AccessLevel(LevelId("staff"), "Staff", "职工通行", ScheduleId("always"), (COMPOUND,)),
    AccessLevel(LevelId("tenant"), "Tenants", "租户通行", ScheduleId("long-day"), (COMPOUND,)),
    AccessLevel(LevelId("contractor"), "Contractors", "施工通行", ScheduleId("site-work"), (COMPOUND,)),
)


def _lane(name: str, en: str, zh: str, *, leads_in: bool) -> Lane:
    zones = (OUTSIDE, COMPOUND) if leads_in else (COMPOUND, OUTSIDE)
    return Lane(LaneId(name), en, zh, name, *zones)


LANES = (
    *(_lane(f"g{n:02d}", f"North gate lane {n} (in)", f"北门{n}号通道（进）", leads_in=True) for n in range(1, 7)),
    *(_lane(f"g{n:02d}", f"North gate lane {n} (out)", f"北门{n}号通道（出）", leads_in=False) for n in range(7, 11)),
    _lane("r01", "Registration lane", "访客登记通道", leads_in=True),
    _lane("v01", "Vehicle lane", "车辆通道", leads_in=True),
)

STALLS = (Stall(StallId("main"), "Main canteen", "主食堂"), Stall(StallId("noodles"), "Noodle bar", "面食档"))
TILLS = tuple(
    Till(TillId(f"t{n:02d}"), f"Till {n}", f"{n}号消费机", f"t{n:02d}", StallId("main" if n < 4 else "noodles"))  # noqa: PLR2004
    for n in range(1, 5)
)

_MINUTE = 60
MEALS = (
    MealPeriod(MealId("breakfast"), "Breakfast", "早餐", 6 * _HOUR + 30 * _MINUTE, 10 * _HOUR),
    MealPeriod(MealId("lunch"), "Lunch", "午餐", 10 * _HOUR + 30 * _MINUTE, 14 * _HOUR),
    MealPeriod(MealId("supper"), "Supper", "晚餐", 16 * _HOUR + 30 * _MINUTE, 20 * _HOUR),
    MealPeriod(MealId("night"), "Night meal", "夜宵", 21 * _HOUR, 2 * _HOUR),
)
TARIFFS = (
    Tariff(MealId("breakfast"), Fen(800)),
    Tariff(MealId("breakfast"), Fen(500), category_id="staff"),
    Tariff(MealId("lunch"), Fen(1_800)),
    Tariff(MealId("lunch"), Fen(1_200), category_id="staff"),
    Tariff(MealId("lunch"), Fen(1_500), category_id="tenant"),
    Tariff(MealId("lunch"), Fen(1_000), stall_id="noodles"),
    Tariff(MealId("supper"), Fen(1_500)),
    Tariff(MealId("supper"), Fen(1_000), category_id="staff"),
    Tariff(MealId("night"), Fen(1_000)),
)
