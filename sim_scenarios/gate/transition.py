"""A day on which the signals switch from the plans in service to the candidate's, and back."""

from __future__ import annotations

from dataclasses import replace
from xml.sax.saxutils import quoteattr

from network_data.importers.sumo.programs import read_programs
from sim_scenarios.gate.bench import Bench, Candidate, running_id


def with_transition(candidate: Candidate, bench: Bench) -> Candidate:
    """The candidate in the middle third of the window only, by SUMO's own switching schedules.

    All programs of a controller go on with their own clock meanwhile, as ours do with the master
    clock.
    """
    window = bench.state.window
    third_s = (window.end_s - window.begin_s) // 3
    there_s, back_s = window.begin_s + third_s, window.end_s - third_s
    registered = read_programs(bench.net_file, (bench.signals,), at_s=window.begin_s)
    before = {junction_id: program.program_id for junction_id, program in registered.items()}
    before |= {plan.junction_id: running_id(plan) for plan in bench.running}
    assert candidate.additional is not None
    lines = [candidate.additional.read_text(encoding="utf-8").rsplit("</additional>", 1)[0]]
    for number, plan in enumerate(candidate.plans):
        if plan.junction_id not in before:
            continue
        old, new = quoteattr(before[plan.junction_id]), quoteattr(plan.plan_id)
        here = quoteattr(plan.junction_id)
        lines += [
            f'<WAUT id="transition.{number}" refTime="0" startProg={old}>',
            f'<wautSwitch time="{there_s}" to={new}/><wautSwitch time="{back_s}" to={old}/></WAUT>',
            f'<wautJunction wautID="transition.{number}" junctionID={here}/>',
        ]
    path = candidate.additional.with_name(f"transition-{candidate.additional.name}")
    path.write_text("\n".join([*lines, "</additional>"]), encoding="utf-8")
    return replace(candidate, additional=path)
