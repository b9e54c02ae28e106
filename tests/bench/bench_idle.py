# SPDX-License-Identifier: Apache-2.0
"""The cost of frozen instances: memory of ebb and of the kernel, and wake-ups with all asleep."""
import leaks
from figures import Row
from waiting import pass_time, wait_for

OWN = ["ebb-gateway", "ebb-api", "ebb-ledger", "ebb-ipc"]


def own_pids(ebb):
    return [ebb.process.pid, ebb.ebbd_pid] + [p for name in OWN for p in ebb.programs(name)]


def pss_kb(pid):
    text = leaks.read(f"/proc/{pid}/smaps_rollup")
    return int(text.split("\nPss:")[1].split()[0]) if "\nPss:" in text else 0


def meminfo_kb(key):
    return int(leaks.read("/proc/meminfo").split(key + ":")[1].split()[0])


def switches(pids):
    total = 0
    for pid in pids:
        for task in leaks.read(f"/proc/{pid}/status").splitlines():
            if "ctxt_switches" in task:
                total += int(task.split()[1])
    return total


def state(ebb):
    return {"own": sum(map(pss_kb, own_pids(ebb))), "slab": meminfo_kb("Slab"),
            "available": meminfo_kb("MemAvailable")}


def grow(ebb, count):
    name = f"idle-{count}"
    before = state(ebb)
    ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "memory": 64,
                      "minInstances": count, "maxInstances": count}})
    wait_for(lambda: len(ebb.instances(name)) == count, 120)
    ebb.wait_frozen(name, 120)
    after = state(ebb)
    return name, {k: abs(after[k] - before[k]) / count for k in before}


def wakeups_per_s(ebb, seconds):
    """(wake-ups per second of all processes together, {name: those of each program of ebb})."""
    own = own_pids(ebb)
    pass_time(2)  # the last commits of the ledger
    everything = set(own) | set(leaks.descendants(ebb.process.pid))
    before, all_before = {p: switches([p]) for p in own}, switches(everything)
    pass_time(seconds)
    names = {p: leaks.read(f"/proc/{p}/comm").strip() for p in own}
    by_name = {names[p]: (switches([p]) - before[p]) / seconds for p in own}
    return (switches(everything) - all_before) / seconds, by_name


def rows(ebb, quick):
    found, seconds = [], 3 if quick else 10
    for count in ([100] if quick else [100, 1000]):
        name, each = grow(ebb, count)
        wakes, by_name = wakeups_per_s(ebb, seconds)
        print(f"  {count} frozen: {each} kB each, {wakes:.1f} wake-ups/s {by_name}", flush=True)
        found += [
            Row(f"ebb's memory per frozen instance, {count}", "KiB", each["own"]),
            Row(f"kernel slab per frozen instance, {count}", "KiB", each["slab"]),
            Row(f"all memory per frozen instance, {count}", "KiB", each["available"]),
            Row(f"wake-ups per second, {count} frozen", "1/s", wakes)]
        ebb.cli("rm", name)
        wait_for(lambda: not ebb.instances(name), 120)
    return found
