"""Instructions per request on the hot path, counted by callgrind: they tell a regression where time is too noisy to.

`command` is where it begins. `load` runs the proxy and sends it requests, `callgrind` reads what was counted, `stages` says
which code belongs to which stage, `attribution` gives every instruction to one of them, `report` is what comes out.
"""
