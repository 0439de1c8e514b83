"""Measures proxies side by side on one machine: CPU time per request, as a ratio within the same round.

`command` is where it begins. `peers` holds one file a proxy, `workload` what is asked of them, `same_work` the check
that they do the same, `measure` the rounds, `report` and `curves` what comes out.
"""
