"""What processes use: time of the processors, memory of their own."""
import os

TICK = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid):
    """User and system time of a process, of its living descendants, and of those that ended and were waited for."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            pids = children.read().split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICK + sum(map(processor_seconds, pids))


def busy_seconds():
    """What all processors together did for anybody since the machine started."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def pss(pid):
    """Proportional set size in bytes: its own memory, and its share of what it shares."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        for line in rollup:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no memory")
