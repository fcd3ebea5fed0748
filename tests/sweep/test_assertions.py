"""The sweep as a test of somebody's suite: a model that outgrew its arena fails it, with the number in the message."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)


def test_a_suite_catches_a_model_that_outgrew_its_arena(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from harness.assertions import assert_arena_at_most as check

        def test_small_enough(assert_arena_at_most):
            assert_arena_at_most(540)

        def test_too_large(assert_arena_at_most):
            assert_arena_at_most(539)

        def test_by_record(hil_sweep):
            assert hil_sweep.minimum_bytes == 540
            check(hil_sweep, 1000)

        def test_as_configured(assert_arena_suffices):
            assert_arena_suffices()

        def test_as_in_my_sketch(assert_arena_suffices):
            assert_arena_suffices(512)

        def test_the_board_runs_the_models_firmware_again(hil_session, hil_run):
            assert hil_run.record.verdict == "pass"
            assert hil_session.info.arena.size_bytes == 540
        """
    )
    # Not in this process: what it imports there would be imported anew afterwards, and be other classes.
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--board", "host")
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*fuel_lstm on host (rnn *) needs an arena of 540 bytes, 1 more than the 539 allowed*",
            "*ARENA_SIZE of 512 bytes (as given), below its proven minimum of 540: 28 bytes short; recommended 560*",
        ]
    )
