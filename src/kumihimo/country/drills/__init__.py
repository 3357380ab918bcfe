"""Drills (訓練): what must hold on a bad day, done for real with real processes on a country that may be lost.

Every drill is a function from a `Ground` to what it showed, line by line (`drilling.Drill`); it raises Problem(drill.failed)
where something does not hold. `catalogue.DRILLS` names them all, in the order in which `kumihimo drill all` plays them.
"""
