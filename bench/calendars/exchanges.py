"""Writes the trading days of the common exchanges, as crates/folio-core/src/calendar/exchanges.txt ships them.

The source is the package exchange_calendars (requirements.txt has its version, and that of pandas: under pandas 3 it
loses the weeks before a change, Tel Aviv's Sundays for instance, without a word); dates are facts. Run by
`make calendars`; prints to standard output. Each exchange has lines of
    exchange CODE ZONE FIRST LAST   what follows is known for these days
    alias NAME...                   other names
    week FROM MASK                  the weekdays that trade from a day on, Monday first
    hours FROM OPEN CLOSE [BREAK RESUME]
    closed YEAR MMDD...             days of the mask without a session
    extra YEAR MMDD...              sessions on other days
    early HHMM YEAR MMDD...         sessions that close before their time
"""

import itertools
import sys
import warnings

import exchange_calendars
import pandas as pd
from exchange_calendars.calendar_utils import _default_calendar_factories as factories

FIRST, LAST = pd.Timestamp("1990-01-01"), pd.Timestamp("2031-12-31")

# Code: other names. Exchanges that trade on the same days share a calendar.
EXCHANGES = {
    "XNYS": "NYSE NASDAQ XNAS AMEX XASE ARCX US",
    "XTSE": "TORONTO TSX",
    "BVMF": "SAO_PAULO B3 BOVESPA",
    "XLON": "LONDON LSE",
    "XETR": "XETRA FRANKFURT XFRA",
    "XPAR": "EURONEXT PARIS AMSTERDAM BRUSSELS LISBON XAMS XBRU XLIS",
    "XSWX": "SIX ZURICH",
    "XMIL": "MILAN",
    "XMAD": "MADRID",
    "XSTO": "STOCKHOLM",
    "XTKS": "TOKYO TSE JPX",
    "XHKG": "HONG_KONG HKEX",
    "XSHG": "SHANGHAI SSE SHENZHEN XSHE",
    "XKRX": "SEOUL KRX KOSDAQ",
    "XASX": "SYDNEY ASX",
    "XBOM": "BOMBAY BSE NSE XNSE MUMBAI",
    "XJSE": "JOHANNESBURG JSE",
    "XTAE": "TEL_AVIV TASE",
    "XSAU": "RIYADH TADAWUL",
    "XNZE": "AUCKLAND NZX",
    "XSES": "SINGAPORE SGX",
    "XTAI": "TAIWAN TWSE",
    "XOSL": "OSLO",
    "XHEL": "HELSINKI",
    "XCSE": "COPENHAGEN",
    "XWBO": "VIENNA",
    "XDUB": "DUBLIN",
    "XWAR": "WARSAW",
    "XIST": "ISTANBUL",
    "XMEX": "MEXICO",
    "24/5": "FX FOREX",
    "24/7": "CRYPTO",
}


def calendar_of(code):
    """The calendar over as much of FIRST to LAST as the package knows."""
    factory = factories[code]
    known = [(factory.bound_min(), max), (factory.bound_max(), min)]
    start, end = (
        choose(day, bound) if bound is not None else day
        for day, (bound, choose) in zip((FIRST, LAST), known)
    )
    return factory(start=start, end=end), start, end


def weeks(calendar, start, end):
    """(first day, mask) of each change of the weekdays that trade, for changes that last a month at least."""
    changes = [(start, calendar.weekmask)]
    for begin, finish, mask in getattr(calendar, "special_weekmasks", None) or []:
        begin, finish = begin or start, finish or end
        if finish >= start and (finish - begin).days > 31:
            changes += [(begin, mask), (finish + pd.Timedelta(days=1), calendar.weekmask)]
    # The later statement about a day wins; a weekday without any session is none.
    changes = sorted({day: mask for day, mask in changes}.items())
    found = []
    for (day, mask), (until, _) in zip(changes, [*changes[1:], (end + pd.Timedelta(days=1), "")]):
        sessions = calendar.sessions[(calendar.sessions >= day) & (calendar.sessions < until)]
        traded = set(sessions.weekday)
        mask = "".join(bit if weekday in traded else "0" for weekday, bit in enumerate(mask))
        if not found or found[-1][1] != mask:
            found.append((day, mask))
    return found


def hours(calendar, start):
    """(first day, "open close [break resume]") of each change of the hours."""
    tables = [
        table or ((None, None),)
        for table in (
            calendar.open_times,
            calendar.close_times,
            calendar.break_start_times,
            calendar.break_end_times,
        )
    ]
    days = {max(pd.Timestamp(day), start) if day is not None else start for table in tables for day, _ in table}
    lines = []
    for day in sorted(days):
        now = [[time for since, time in table if since is None or since <= day][-1] for table in tables]
        lines.append((day, " ".join(f"{time:%H%M}" for time in now if time is not None)))
    return lines


def by_year(word, days):
    for year, group in itertools.groupby(sorted(days), key=lambda day: day.year):
        print(word, year, *(f"{day:%m%d}" for day in group))


def write(code, names):
    calendar, start, end = calendar_of(code)
    print(f"\nexchange {code} {calendar.tz} {start.date()} {end.date()}\nalias {names}")
    masks = weeks(calendar, start, end)
    for day, mask in masks:
        print("week", day.date(), mask)
    for day, line in hours(calendar, start):
        print("hours", day.date(), line)
    sessions = set(calendar.sessions)
    ordinary = {
        day
        for day in pd.date_range(start, end)
        if [mask for since, mask in masks if since <= day][-1][day.weekday()] == "1"
    }
    by_year("closed", ordinary - sessions)
    by_year("extra", sessions - ordinary)
    closes = calendar.closes.loc[calendar.early_closes].dt.tz_convert(calendar.tz)
    for time, group in closes.groupby(closes.dt.strftime("%H%M")):
        by_year(f"early {time}", group.index)


def main():
    warnings.filterwarnings("ignore")
    print(
        "# The trading days of the common exchanges: written by bench/calendars/exchanges.py (make calendars) from the\n"
        f"# package exchange_calendars {exchange_calendars.__version__}, which says what each line means. Not edited by hand."
    )
    for code, names in EXCHANGES.items():
        write(code, names)


if __name__ == "__main__":
    sys.exit(main())
