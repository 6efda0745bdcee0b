#!/usr/bin/env python3
"""Writes dst.tsv: when cron jobs are due around changes of the clock. Run: python3 dst.py > dst.tsv

Written from the contract (section 3) and Python's zoneinfo alone: it looks at every minute of the world's clock, asks what a
clock on the wall shows, and never computes a due time. `src/monitor/expect.rs` is held against what it finds.
"""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
MACROS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *"}

# A zone, a day around which its clock changes (UTC), and what is tried there.
COMMON = ["30 * * * *", "*/15 * * * *", "@hourly", "@daily", "0 */2 * * *"]
EDGES = [
    ("Europe/Riga", "2026-03-29", ["30 3 * * *", "0 3 * * *", "15 2,3,4 * * *", "*/20 3 * * *", "59 2 * * *"]),
    ("Europe/Riga", "2026-10-25", ["30 3 * * *", "0 3 * * *", "15 2,3,4 * * *", "*/20 3 * * *", "59 3 * * *"]),
    ("Europe/Berlin", "2026-03-29", ["30 2 * * *", "0 2 * * *", "0,30 2 * * *", "* 2 * * *", "0 3 * * *"]),
    ("Europe/Berlin", "2026-10-25", ["30 2 * * *", "0 2 * * *", "0,30 2 * * *", "* 2 * * *", "0 3 * * *"]),
    ("America/New_York", "2026-03-08", ["30 2 * * *", "30 1-3 * * *", "5 2 8 3 *", "30 2 * * 0"]),
    ("America/New_York", "2026-11-01", ["30 1 * * *", "30 0-2 * * *", "5 1 1 11 *", "0 2 * * *"]),
    ("Australia/Lord_Howe", "2026-10-03", ["15 2 * * *", "0 2 * * *", "45 2 * * *", "*/10 2 * * *"]),
    ("Australia/Lord_Howe", "2026-04-04", ["45 1 * * *", "15 1 * * *", "0 2 * * *", "*/10 1 * * *"]),
    # The clock changes at midnight: a whole hour of a day is missing, or comes twice at the end of one.
    ("America/Sao_Paulo", "2018-11-04", ["0 0 * * *", "30 0 * * *", "0,20,40 0 * * *", "30 0 4 11 *"]),
    ("America/Sao_Paulo", "2018-02-18", ["30 23 * * *", "0 23 * * *", "*/20 23 * * *", "30 23 17 2 *"]),
    # A quarter of an hour was skipped once; else there is no change.
    ("Asia/Kathmandu", "1985-12-31", ["5 0 * * *", "15 0 * * *", "*/5 0 * * *"]),
    ("Asia/Kathmandu", "2026-03-29", ["30 2 * * *", "15 0,1,2 * * *"]),
]


def field(text, low, high):
    found = set()
    for part in text.split(","):
        part, _, step = part.partition("/")
        if part == "*":
            first, last = low, high
        else:
            first, _, last = part.partition("-")
            first, last = int(first), int(last or first)
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def matches(expression, wall):
    """Whether a wall clock that shows `wall` is one of the expression's times (no expression here has both kinds of day)."""
    minute, hour, day, month, weekday = MACROS.get(expression, expression).split()
    return (
        wall.minute in field(minute, 0, 59)
        and wall.hour in field(hour, 0, 23)
        and wall.day in field(day, 1, 31)
        and wall.month in field(month, 1, 12)
        and (wall.isoweekday() % 7) in field(weekday, 0, 6)
    )


def due_times(expression, zone, begin, end):
    """All moments in [begin, end) at which a job is due, minute by minute."""
    has_fixed_hours = "*" not in MACROS.get(expression, expression).split()[1]
    wall_at = lambda moment: moment.astimezone(zone).replace(tzinfo=None)
    found, shown = [], set()
    moment, latest = begin, wall_at(begin) - MINUTE
    while moment < end:
        wall = wall_at(moment)
        is_due = matches(expression, wall)
        if has_fixed_hours:
            is_due = is_due and wall not in shown  # the hour that repeats counts once
            skipped = latest + MINUTE
            while skipped < wall:  # what the clock jumped over is due right after
                is_due = is_due or matches(expression, skipped)
                skipped += MINUTE
        if is_due:
            found.append(moment)
        shown.add(wall)
        latest = max(latest, wall)
        moment += MINUTE
    return found


def change(zone, day):
    """The moment within a day and a half of `day` at which the clock changes; else noon of it."""
    start = datetime.fromisoformat(day).replace(tzinfo=timezone.utc) - timedelta(hours=6)
    for minutes in range(36 * 60):
        moment = start + minutes * MINUTE
        if moment.astimezone(zone).utcoffset() != (moment - MINUTE).astimezone(zone).utcoffset():
            return moment
    return start + timedelta(hours=18)


def main():
    print("# zone, expression, the due times one after the other (UTC); written by dst.py")
    for name, day, own in EDGES:
        zone = ZoneInfo(name)
        at = change(zone, day)
        for expression in own + COMMON:
            known = due_times(expression, zone, at - timedelta(days=3), at + timedelta(days=3))
            near = lambda hours: [t for t in known if at - timedelta(minutes=150) <= t <= at + timedelta(hours=hours)]
            due = near(4)
            if len(due) < 3:
                due = [t for t in known if at - timedelta(hours=50) <= t <= at + timedelta(hours=50)]
            print(name, expression, " ".join(t.strftime("%Y-%m-%dT%H:%MZ") for t in due), sep="\t")


main()
