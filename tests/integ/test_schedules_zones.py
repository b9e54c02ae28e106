# SPDX-License-Identifier: Apache-2.0
"""When schedules are due, in every time zone of this host: runtime/cron beside Python's zoneinfo and a search minute by
minute. The promise of cron(8) about the clock is said once more here, in the plainest words: a local time is due once."""
import ctypes
import datetime
import random
import subprocess
import zoneinfo
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ZONEINFO = Path("/usr/share/zoneinfo")
UTC = datetime.timezone.utc
NEVER = 2**63 - 1
ALL_HOURS = set(range(24))


class Cron(ctypes.Structure):
    _fields_ = [("minutes", ctypes.c_uint64), ("hours", ctypes.c_uint32), ("days", ctypes.c_uint32),
                ("months", ctypes.c_uint32), ("weekdays", ctypes.c_uint32), ("both_days", ctypes.c_bool)]

    def has(self, local):
        """Whether a local date-time is one of the schedule."""
        day = self.days >> local.day & 1
        weekday = self.weekdays >> local.isoweekday() % 7 & 1
        return bool(self.months >> local.month & 1 and (day and weekday if self.both_days else day or weekday)
                    and self.hours >> local.hour & 1 and self.minutes >> local.minute & 1)

    def follows_the_clock(self):
        return {hour for hour in range(24) if self.hours >> hour & 1} == ALL_HOURS


@pytest.fixture(scope="module")
def lib(tmp_path_factory):
    """The library as it is built for ebb-flow, as something that Python can call."""
    to = tmp_path_factory.mktemp("cron") / "cron.so"
    sources = [*sorted((ROOT / "runtime/cron").glob("*.c")), *(ROOT / "runtime/base" / f"{name}.c" for name in
                                                             ("text", "log", "clock", "fd"))]
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-fPIC", "-shared", f"-I{ROOT}", "-o", to, *sources],
                   check=True)
    found = ctypes.CDLL(str(to))
    found.cron_next.restype = found.zone_next_change.restype = ctypes.c_int64
    found.cron_next.argtypes = [ctypes.POINTER(Cron), ctypes.c_void_p, ctypes.c_int64]
    found.zone_next_change.argtypes = found.zone_offset.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    found.zone_parse.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)]
    found.zone_free.argtypes = [ctypes.c_void_p]
    return found


def parse(lib, text):
    cron = Cron()
    why = ctypes.create_string_buffer(160)
    assert lib.cron_parse(text.encode(), ctypes.byref(cron), why) == 0, (text, why.value)
    return cron


def zone(lib, name):
    bytes_ = (ZONEINFO / name).read_bytes()
    out = ctypes.c_void_p()
    assert lib.zone_parse(bytes_, len(bytes_), ctypes.byref(out)) == 0, name
    return out


def names():
    """Every zone of this host, without those that no name of ours can be."""
    return sorted(name for name in zoneinfo.available_timezones() if (ZONEINFO / name).is_file() and name[0].isalpha())


def slow_next(cron, tz, after, minutes):
    """The first moment behind `after` (seconds, a whole minute), minute by minute; None within that many minutes. A
    local time that is skipped is due at the moment of the skip, one that comes twice the first time it comes."""
    seen = set()
    before = datetime.datetime.fromtimestamp(after - 86400, tz).replace(tzinfo=None)
    for n in range(-1440, minutes):  # a day earlier, to know which local times were there already
        at = after + 60 * n
        local = datetime.datetime.fromtimestamp(at, tz).replace(tzinfo=None)
        if cron.follows_the_clock():
            due = cron.has(local)
        else:
            passed, minute = [], max(before + datetime.timedelta(minutes=1), local - datetime.timedelta(days=2))
            while minute <= local:  # those that the clock came to or skipped with this minute
                passed.append(minute)
                minute += datetime.timedelta(minutes=1)
            due = any(cron.has(minute) and minute not in seen for minute in passed)
            seen.update(passed)
        before = max(before, local)
        if due and at > after:
            return at
    return None


def test_offsets_are_those_of_python_in_every_zone(lib):
    """Until the year 2100, at each change and beside it."""
    end = int(datetime.datetime(2100, 1, 1, tzinfo=UTC).timestamp())
    for name in names():
        z, tz = zone(lib, name), zoneinfo.ZoneInfo(name)
        at = int(datetime.datetime(1971, 1, 1, tzinfo=UTC).timestamp())
        while at < end:
            for beside in (at - 1, at, at + 1):
                expected = tz.utcoffset(datetime.datetime.fromtimestamp(beside, tz)).total_seconds()
                assert lib.zone_offset(z, beside) == expected, (name, beside)
            at = lib.zone_next_change(z, at)
        lib.zone_free(z)


EXPRESSIONS = ("30 2 * * *", "0 3 * * *", "*/10 2 * * *", "0 * * * *", "*/15 * * * *", "0 */2 * * *", "15 1,2,3 * * sun",
               "59 23 * * *", "0 0 * * *", "45 1 29 2 *", "5 4 1 * mon", "*/30 0-4 * mar-nov 0,6")
CHANGING = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca",
            "Asia/Tehran", "Pacific/Chatham", "Atlantic/Azores", "America/Havana", "Asia/Kathmandu", "Antarctica/Troll")


@pytest.mark.parametrize("name", CHANGING)
def test_schedules_around_a_change_of_the_clock(lib, name):
    """Three days around each change of two years, each expression, each start a random one."""
    z, tz, rng = zone(lib, name), zoneinfo.ZoneInfo(name), random.Random(name)
    at = int(datetime.datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    tried = 0
    for _ in range(4):
        change = lib.zone_next_change(z, at)
        if change == NEVER:
            change = at + 86400 * 90
        at = change
        for text in EXPRESSIONS:
            cron = parse(lib, text)
            after = (change - rng.randrange(36 * 3600)) // 60 * 60
            for _ in range(3):
                expected, got = slow_next(cron, tz, after, 2160), lib.cron_next(ctypes.byref(cron), z, after)
                if expected is None:
                    assert got >= after + 60 * 2160, (name, text, after, got)
                    break
                assert got == expected, (name, text, after, datetime.datetime.fromtimestamp(got, tz))
                after, tried = got, tried + 1
    assert tried > 50
    lib.zone_free(z)


def test_once_and_not_skipped(lib):
    """The promise of cron(8), by hand: Berlin in 2027 skips 2:30 on 28 March, and has it twice on 31 October."""
    z, tz = zone(lib, "Europe/Berlin"), zoneinfo.ZoneInfo("Europe/Berlin")

    def due(text, day):
        cron = parse(lib, text)
        at = int(datetime.datetime.fromisoformat(day).replace(tzinfo=tz).timestamp()) - 1
        end, found = at + 25 * 3600, []
        while (at := lib.cron_next(ctypes.byref(cron), z, at)) <= end:
            found.append(datetime.datetime.fromtimestamp(at, UTC).strftime("%H:%M"))
        return found

    assert due("30 2 * * *", "2027-03-28T00:00")[:1] == ["01:00"]  # the moment of the skip, 3:00
    assert due("30 2 * * *", "2027-10-31T00:00") == ["00:30"]  # summer's 2:30, and no second one
    assert due("*/10 2 * * *", "2027-03-28T00:00")[:1] == ["01:00"]
    hours = due("0 * * * *", "2027-10-31T00:00")
    assert len(hours) == 25 and hours[2:4] == ["00:00", "01:00"]  # 2:00 comes twice, and has it twice


@pytest.mark.parametrize("text, why", [
    ("0 0 31 2 *", "never comes"), ("0 0 30 feb *", "never comes"), ("0 0 31 4,6,9,11 *", "never comes"),
    ("* * * *", "4 fields"), ("* * * * * *", "6 fields"), ("60 * * * *", "minute (0..59"), ("* 24 * * *", "hour (0..23"),
    ("* * 0 * *", "day of the month (1..31"), ("* * * 13 *", "month (1..12"), ("* * * * 8", "weekday (0..7"),
    ("*/0 * * * *", "minute"), ("5-1 * * * *", "minute"), ("a * * * *", "minute"), ("", "0 fields"),
    ("1,,2 * * * *", "minute"), ("@daily", "1 fields"), ("* " * 200, "too long")])
def test_an_expression_that_is_none_says_why(lib, text, why):
    said = ctypes.create_string_buffer(160)
    assert lib.cron_parse(text.encode(), ctypes.byref(Cron()), said) < 0
    assert why in said.value.decode()


@pytest.mark.parametrize("text", ["0 0 29 2 *", "0 0 31 2 mon", "0 0 30 2 0-6/2", "* * * * 7", "0 0 29 feb */2"])
def test_an_expression_that_comes_rarely_is_taken(lib, text):
    assert lib.cron_next(ctypes.byref(parse(lib, text)), None, 1_800_000_000) != NEVER


def test_a_zone_file_that_was_cut_or_changed_is_refused_or_harmless(lib):
    """Foreign bytes: each cut of a file, and each byte of it changed, is refused or gives some offset."""
    rng, good = random.Random(7), (ZONEINFO / "America/New_York").read_bytes()
    refused = 0
    for n in range(len(good)):
        bad = bytearray(good)
        bad[n] ^= 1 << rng.randrange(8)
        for bytes_ in (good[:n], bytes(bad)):
            out = ctypes.c_void_p()
            if lib.zone_parse(bytes_, len(bytes_), ctypes.byref(out)) < 0:
                refused += 1
                continue
            lib.cron_next(ctypes.byref(parse(lib, "30 2 * * *")), out, 1_800_000_000)
            lib.zone_free(out)
    assert refused >= len(good)
