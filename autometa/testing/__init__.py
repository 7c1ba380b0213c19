"""Conformance checks, one module per family: what every member must do, shipped for plug-in authors too.

Each module has plain functions ``check_*(make)`` and lists them in ``CHECKS``; ``make`` returns a fresh member. A
check returns nothing and raises ``AssertionError`` with the broken promise. A plug-in's own tests run them so:

    @pytest.mark.parametrize("check", autometa.testing.warmstart.CHECKS)
    def test_my_warm_starter_keeps_its_promises(check):
        check(MyWarmStarter)
"""
