"""The results as text."""
import statistics

GOALS = {"list": 0.8, "page": 0.8, "append": 0.95}
TIMES = 3       # as fast as the others, where that is a goal
HISTORY = 1.3   # the most that history may cost
MEMORY = 6e6
START = 0.1
PARTS = ("load", "nginx", "program", "postgres")


def _limit(pgbench, hello):
    return 1 / (1 / pgbench + 1 / hello)


def _rates(runs):
    return [run["rate"] for run in runs]


def _spread(numbers, form="{:,.0f}"):
    """The median, and how far the rounds lie apart."""
    return "{} ({}-{})".format(*(form.format(number) for number in (statistics.median(numbers), min(numbers), max(numbers))))


def _verdict(reached):
    return "reached" if reached else "MISSED"


def _spent(runs):
    """The median of each part's microseconds a request."""
    return {part: statistics.median(run["spent"].get(part, 0.0) for run in runs) for part in PARTS}


def _ratios(kind):
    """Of every round: Parley's rate to its limit."""
    return [parley["rate"] / _limit(pgbench["rate"], hello["rate"])
            for parley, pgbench, hello in zip(kind["parley"], kind["pgbench"], kind["hello"])]


def show(arguments, sites, results):
    for site in sites:
        print(f"\n{site.data}; {arguments.workers} workers and pgbench clients, wrk -t2 -c{arguments.connections}, {arguments.rounds} rounds "
              f"of {arguments.seconds} s; fsync on, shared_buffers {arguments.buffers}")
        others = [run["others"] for kind in results[site.data.messages].values() for runs in kind.values() for run in runs]
        print(f"others had {_spread(others, '{:.0%}')} of the processors")
        _show_rates(results[site.data.messages])
        _show_spent(results[site.data.messages])
        _show_rivals(results[site.data.messages])
    if len(sites) > 1:
        _show_history([site.data.messages for site in sites], results)


def _show_rates(kinds):
    print(f"\n{'requests/s':8} {'parley':>23} {'pgbench':>23} {'hello':>23} {'limit':>8} {'ratio to the limit':>20} {'goal':>13}"
          f" {'p50 ms':>7} {'p99 ms':>7}")
    for name, kind in kinds.items():
        rates = {part: _rates(kind[part]) for part in ("parley", "pgbench", "hello")}
        ratios = _ratios(kind)
        limit = statistics.median(map(_limit, rates["pgbench"], rates["hello"]))
        p50 = statistics.median(run["p50"] for run in kind["parley"]) / 1000
        p99 = min(run["p99"] for run in kind["parley"]) / 1000
        print(f"{name:10} {_spread(rates['parley']):>23} {_spread(rates['pgbench']):>23} {_spread(rates['hello']):>23} {limit:8,.0f} "
              f"{_spread(ratios, '{:.2f}'):>20} {GOALS[name]:5} {_verdict(statistics.median(ratios) >= GOALS[name])} {p50:7.2f} {p99:7.2f}")


def _show_spent(kinds):
    """Microseconds of the processors a request; the ratio that they alone would give."""
    print(f"\n{'processor us/request':21}" + "".join(f"{part:>10}" for part in PARTS) + f"{'sum':>10}   ratio")
    for name, kind in kinds.items():
        spent = {who: _spent(kind[who]) for who in kind}
        limit = sum(spent["pgbench"].values()) + sum(spent["hello"].values())
        for who, parts in spent.items():
            ratio = f"{limit / sum(parts.values()):8.2f}" if who == "parley" else ""
            print(f"{name:8}{who:13}" + "".join(f"{parts[part]:10.1f}" for part in PARTS) + f"{sum(parts.values()):10.1f}{ratio}")


def _show_rivals(kinds):
    rivals = [name for name in next(iter(kinds.values())) if name not in ("parley", "pgbench", "hello")]
    if not rivals:
        return
    print(f"\n{'requests/s':10}" + "".join(f"{name:>24} {'parley is':>10}" for name in rivals))
    for name, kind in kinds.items():
        line = f"{name:10}"
        for rival in rivals:
            times = statistics.median(ours["rate"] / theirs["rate"] for ours, theirs in zip(kind["parley"], kind[rival]))
            goal = f" {_verdict(times >= TIMES)}" if name != "append" else ""
            line += f"{_spread(_rates(kind[rival])):>24} {times:6.1f} x{goal}"
        print(line)


def _show_history(sizes, results):
    """What a request costs with the longest history beside the shortest."""
    least, most = min(sizes), max(sizes)
    print(f"\ncost at {most:,} messages / cost at {least:,}")
    for name in results[least]:
        costs = [few["rate"] / many["rate"] for few, many in zip(results[least][name]["parley"], results[most][name]["parley"])]
        goal = f" (goal {HISTORY}: {_verdict(statistics.median(costs) <= HISTORY)})" if name != "append" else ""
        print(f"{name:10} {_spread(costs, '{:.2f}')}{goal}")


def show_process(start, rest, after):
    print(f"\na worker's memory (PSS) at rest {rest / 1e6:.1f} MB, after the load {after / 1e6:.1f} MB "
          f"(goal {MEMORY / 1e6:.0f}: {_verdict(max(rest, after) <= MEMORY)})")
    print(f"start to first answer {start * 1000:.0f} ms (goal {START * 1000:.0f}: {_verdict(start <= START)})")
