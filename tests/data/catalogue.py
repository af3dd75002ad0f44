"""Invented master data: products, customers, prices, calendars, warehouses. Everything follows from the seed and the day."""

from __future__ import annotations

import random
from datetime import date, timedelta

# Stock products: family prefix, Chinese and English name, base unit, packs, tax in per cent, base price in fen.
_FAMILIES = (
    ("A", "六角螺栓 M{n}", "Hex bolt M{n}", "个", {"盒": 100, "箱": 1000, "pcs": 1, "box": 100}, 13, 85),
    ("B", "山泉水 {n} ml", "Spring water {n} ml", "瓶", {"箱": 24, "bottle": 1, "case": 24}, 13, 240),
    ("C", "网线 {n} 米", "Network cable {n} m", "根", {"包": 10, "pcs": 1}, 13, 1290),
    ("D", "LED 灯泡 {n} 瓦", "LED bulb {n} W", "只", {"盒": 10, "箱": 120, "pcs": 1}, 13, 1580),
    ("K", "操作手册 第 {n} 册", "Manual, volume {n}", "本", {"捆": 20, "copy": 1}, 9, 3600),
    ("R", "东北大米 {n} 千克", "Rice {n} kg", "袋", {"垛": 40, "bag": 1}, 9, 5980),
    ("T", "扭力扳手 {n} N·m", "Torque wrench {n} N·m", "把", {"set": 1}, 13, 26800),
    ("U", "轴承 62{n}", "Bearing 62{n}", "个", {"盒": 50, "pcs": 1}, 13, 1850),
)
_PER_FAMILY = 6
_CONFUSABLE = (("E-100", "E-1O0"), ("G-801", "G-8O1"))  # both codes of a pair exist: nobody may guess
_SERVICES = (("S-010", "软件许可 一年", "Software licence, one year", 120000), ("S-020", "校准证书", "Calibration certificate", 38000),
             ("S-030", "远程调试 一小时", "Remote commissioning, one hour", 60000), ("S-040", "操作培训 一天", "Training, one day", 280000),
             ("S-050", "图纸下载包", "Drawing package", 9900), ("S-060", "延保 一年", "Extended warranty, one year", 45000))
_MAKE = (("M-100", "定制机箱", "Custom cabinet", 86000, 10), ("M-110", "激光刻字铭牌", "Engraved nameplate", 1800, 5),
         ("M-120", "非标支架", "Special bracket", 23500, 8), ("M-130", "定制线束", "Custom harness", 9700, 7),
         ("M-140", "喷涂面板", "Painted panel", 31200, 6), ("M-150", "定制齿轮", "Custom gear", 15800, 12),
         ("M-160", "印字水杯", "Printed mug", 2600, 5), ("M-170", "定制包装盒", "Custom carton", 750, 5),
         ("M-180", "不锈钢法兰", "Stainless flange", 12400, 9), ("M-190", "定制垫片", "Custom gasket", 420, 4))
_RETIRED = 6
SHORTAGE_SKUS = 28
SPLIT_SKUS = 4
SUBSTITUTE = "Q-900"
SHORTAGE_PRICE = 4500  # one price for all of them, so that a substitute costs the same
PRODUCT_COUNT = 120

LISTS = {"CN-STD": ("CNY", 1000), "CN-KEY": ("CNY", 920), "EX-USD": ("USD", 142), "EX-EUR": ("EUR", 131), "JP-JPY": ("JPY", 21)}

_LUNAR_NEW_YEAR = {2024: (2, 10), 2025: (1, 29), 2026: (2, 17), 2027: (2, 6), 2028: (1, 26), 2029: (2, 13), 2030: (2, 3), 2031: (1, 23),
                   2032: (2, 11), 2033: (1, 31), 2034: (2, 19), 2035: (2, 8)}


def gtin13(number: int) -> str:
    """With a check digit; 690 to 699 are Chinese prefixes."""
    body = f"699{number:09d}"
    total = sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(body))
    return body + str(-total % 10)


def products(seed: int) -> tuple[list[dict], dict[str, tuple[int, int]]]:
    """The products, and each one's net price in fen with its tax in per cent, which prices() builds on."""
    rng = random.Random(f"{seed}|products")
    rows: list[dict] = []
    base: dict[str, tuple[int, int]] = {}

    def add(sku: str, zh: str, en: str, kind: str, unit: str, packs: dict[str, int], lead: int, tax: int, price: int, **more) -> None:
        row = {"sku": sku, "name_en": en, "name_zh": zh, "kind": kind, "base_unit": unit,
               "packs": [{"unit": name, "factor": factor} for name, factor in packs.items()], "lead_time_days": lead,
               "gtin": gtin13(len(rows) + 1), **more}
        rows.append(row)
        base[sku] = (price, tax)

    for prefix, zh, en, unit, packs, tax, price in _FAMILIES:
        for number in range(_PER_FAMILY):
            size = (number + 1) * (2 if prefix != "B" else 250)
            sku = f"{prefix}-{100 + 20 * number}"
            more = {"substitutes": [f"{prefix}-{100 + 20 * (number + 1)}"]} if number + 1 < _PER_FAMILY else {}
            add(sku, zh.format(n=size), en.format(n=size), "STOCK", unit, packs, rng.choice((1, 1, 2)), tax, price * (10 + 3 * number) // 10, **more)
    for right, lookalike in _CONFUSABLE:
        add(right, "继电器 5 V", "Relay 5 V", "STOCK", "个", {"盒": 20, "pcs": 1}, 1, 13, 2350)
        add(lookalike, "继电器 24 V", "Relay 24 V", "STOCK", "个", {"盒": 20, "pcs": 1}, 1, 13, 2480)
    for sku, zh, en, price in _SERVICES:
        add(sku, zh, en, "STOCK", "份", {"pcs": 1}, 1, 6, price, no_picking=True)
    for sku, zh, en, price, lead in _MAKE:
        add(sku, zh, en, "MAKE", "件", {"套": 4, "pcs": 1}, lead, 13, price)
    for number in range(_RETIRED):
        successor = ("A-100", "C-120", "D-140", "K-100", "T-120", "U-160")[number]
        add(f"X-{10 * (number + 1)}", "旧型号（停产）", "Former model (discontinued)", "STOCK", "个", {"pcs": 1}, 1, base[successor][1], base[successor][0],
            retired=True, successor=successor)
    for number in range(SHORTAGE_SKUS):
        add(f"Q-{301 + number}", f"传感器 型号 {301 + number}", f"Sensor, type {301 + number}", "STOCK", "只", {"pcs": 1}, 1, 13, SHORTAGE_PRICE,
            substitutes=[SUBSTITUTE])
    add(SUBSTITUTE, "传感器 通用型", "Sensor, universal", "STOCK", "只", {"pcs": 1}, 1, 13, SHORTAGE_PRICE)
    for number in range(SPLIT_SKUS):
        add(f"P-{401 + number}", f"阀门 DN{15 + 5 * number}", f"Valve DN{15 + 5 * number}", "STOCK", "台", {"pcs": 1}, 1, 13, 9800)
    number = 0
    while len(rows) < PRODUCT_COUNT:
        number += 1
        add(f"Z-{500 + 5 * number}", f"密封圈 {number} 号", f"O-ring no. {number}", "STOCK", "个", {"包": 25, "pcs": 1}, 1, 13, 130 + 15 * number)
    return rows, base

_CN_COMPANIES = ("鲲鹏机电有限公司", "江南自动化设备有限公司", "海岳五金贸易有限公司", "明达电子科技有限公司", "北辰仪器股份有限公司", "青松建筑工程有限公司", "华庭连锁酒店管理有限公司",
                 "云帆物流设备有限公司", "安和医疗器械有限公司", "启航教育科技有限公司", "瑞丰食品有限公司", "大川水务集团", "金禾农业发展有限公司", "远景新能源设备有限公司", "鼎新模具有限公司",
                 "长风汽车零部件有限公司", "蓝湾船舶维修有限公司", "同泰实验室设备有限公司", "白鹭文化用品有限公司", "星河照明工程有限公司")
_CN_CONTACTS = ("王丽", "李强", "张敏", "刘洋", "陈静", "杨帆", "赵磊", "黄颖", "周涛", "吴倩")
_EX_COMPANIES = (("Northwind Fixtures Inc.", "US"), ("Redwood Instruments LLC", "US"), ("Alster Maschinenteile GmbH", "DE"), ("Harbour & Finch Ltd", "GB"),
                 ("Merlion Supplies Pte Ltd", "SG"), ("Southern Cross Tools Pty Ltd", "AU"), ("Kanto Seiki KK", "JP"), ("Lakeside Labs Inc.", "US"),
                 ("Bodensee Technik GmbH", "DE"), ("Prairie Pumps Inc.", "US"))
_EX_CONTACTS = ("Alice Moore", "Ben Carter", "Carla Schmidt", "David Hughes", "Emma Tan", "Frank Olsen", "Keiko Sato", "Grace Kim", "Hans Weber", "Ivy Nolan")
_LIST_OF_COUNTRY = {"US": "EX-USD", "SG": "EX-USD", "AU": "EX-USD", "DE": "EX-EUR", "GB": "EX-EUR", "JP": "JP-JPY"}


def customers(seed: int) -> list[dict]:
    rng = random.Random(f"{seed}|customers")
    rows = []
    for number, company in enumerate(_CN_COMPANIES, 1):
        key = number % 4 == 1
        terms = ["PREPAID", "COD", "NET"] + (["INSTALMENT"] if number % 3 == 0 else [])
        if number % 10 == 4:
            terms = ["PREPAID"]
        rows.append({"customer_id": f"C{number:04d}", "company": company, "price_list": "CN-KEY" if key else "CN-STD", "terms": terms,
                     "max_net_days": (60 if key else 30) if "NET" in terms else 0, "credit_limit_minor": 500_000_000, "blocked": number == 20,
                     "locale": "zh-CN", "country": "CN", "email": f"cg{number:02d}@kehu{number:02d}.example", "phone": f"+86 199 0000 {rng.randrange(10000):04d}",
                     "priority": 2 if key else 1})
    for number, (company, country) in enumerate(_EX_COMPANIES, 21):
        rows.append({"customer_id": f"C{number:04d}", "company": company, "price_list": _LIST_OF_COUNTRY[country], "terms": ["PREPAID", "NET"],
                     "max_net_days": 60 if number % 2 else 30, "credit_limit_minor": 100_000_000, "blocked": number == 30, "locale": "en",
                     "country": country, "email": f"buying@customer{number:02d}.example", "phone": f"+1 555 01{number:02d}", "priority": 1})
    return rows


def contact_of(customer: dict) -> str:
    number = int(customer["customer_id"][1:])
    return (_CN_CONTACTS if customer["country"] == "CN" else _EX_CONTACTS)[number % 10]


def prices(seed: int, product_rows: list[dict], base: dict[str, tuple[int, int]]) -> list[dict]:
    """Net per base unit. Two thirds of the stock products have quantity breaks; domestic prices are whole jiao, so that prices
    with tax included are exact in fen for 13 % only where they must be (see orders)."""
    rng = random.Random(f"{seed}|prices")
    rows = []
    for product in product_rows:
        price, tax = base[product["sku"]]
        plain = product["sku"][0] in "QPXS" or product["kind"] == "MAKE"
        broken = not plain and rng.random() < 0.67
        for price_list, (currency, factor) in LISTS.items():
            net = max(price * factor // 1000, 2)
            if currency == "CNY" and net >= 100:
                net = net // 10 * 10
            breaks = [{"min_quantity": 1, "net_minor": net}]
            if broken and net >= 20:
                breaks += [{"min_quantity": 100, "net_minor": net * 95 // 100}, {"min_quantity": 500, "net_minor": net * 90 // 100}]
            rows.append({"price_list": price_list, "sku": product["sku"], "currency": currency, "breaks": breaks,
                         "tax_rate": str(tax) if currency == "CNY" else "0", "valid_from": "2020-01-01"})
    return rows


def _runs(start: date, days: int) -> list[date]:
    return [start + timedelta(days=n) for n in range(days)]


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _cn(year: int) -> tuple[list[date], list[date]]:
    """Holidays after the pattern of the official ones, and the weekend days around them that are worked instead."""
    month, day = _LUNAR_NEW_YEAR.get(year, (2, 5))
    spring = _runs(date(year, month, day) - timedelta(days=1), 8)
    holidays = [date(year, 1, 1), *spring, date(year, 4, 5), *_runs(date(year, 5, 1), 5), *_runs(date(year, 10, 1), 7)]
    worked = []
    for first, last in ((spring[0], spring[-1]), (date(year, 5, 1), date(year, 5, 5)), (date(year, 10, 1), date(year, 10, 7))):
        before = first - timedelta(days=1)
        while before.weekday() != 6:
            before -= timedelta(days=1)
        after = last + timedelta(days=1)
        while after.weekday() != 5:
            after += timedelta(days=1)
        worked += [before, after]
    return holidays, [day for day in worked if day not in holidays]


def _us(year: int) -> list[date]:
    memorial = date(year, 5, 31)
    while memorial.weekday() != 0:
        memorial -= timedelta(days=1)
    return [date(year, 1, 1), _nth_weekday(year, 1, 0, 3), memorial, date(year, 7, 4), _nth_weekday(year, 9, 0, 1), _nth_weekday(year, 11, 3, 4), date(year, 12, 25)]


def calendars(today: date) -> list[dict]:
    years = (today.year, today.year + 1)
    rows = []

    def add(calendar_id: str, zone: str, holidays: list[date], workdays: list[date], cutoff: str) -> None:
        rows.append({"calendar_id": calendar_id, "zone": zone, "holidays": [day.isoformat() for day in sorted(set(holidays))],
                     "workdays": [day.isoformat() for day in sorted(set(workdays))], "cutoff": cutoff})

    cn = [_cn(year) for year in years]
    add("CN", "Asia/Shanghai", [day for days, _ in cn for day in days], [day for _, days in cn for day in days], "16:00")
    add("US", "America/New_York", [day for year in years for day in _us(year)], [], "15:00")
    fixed = {"DE": ("Europe/Berlin", ((1, 1), (5, 1), (10, 3), (12, 25), (12, 26))), "GB": ("Europe/London", ((1, 1), (12, 25), (12, 26))),
             "SG": ("Asia/Singapore", ((1, 1), (5, 1), (8, 9), (12, 25))), "AU": ("Australia/Sydney", ((1, 1), (1, 26), (4, 25), (12, 25), (12, 26))),
             "JP": ("Asia/Tokyo", ((1, 1), (1, 2), (1, 3), (2, 11), (2, 23), (4, 29), (5, 3), (5, 4), (5, 5), (11, 3), (11, 23)))}
    for country, (zone, days) in fixed.items():
        add(country, zone, [date(year, month, day) for year in years for month, day in days], [], "15:00")
    return rows


def warehouses(url: str, secret: str) -> list[dict]:
    url = url.rstrip("/")
    http = {"adapter": "http", "secret": secret, "calendar_id": "CN"}
    return [{"warehouse": "SH1", "name": "上海一号仓", "url": f"{url}/SH1", "countries": ["CN", "JP", "US", "AU"], **http},
            {"warehouse": "GZ1", "name": "广州一号仓", "url": f"{url}/GZ1", "countries": ["CN", "SG", "DE", "GB"], **http},
            {"warehouse": "AUTO", "name": "无需拣货", "adapter": "auto", "countries": [], "calendar_id": "CN"}]
