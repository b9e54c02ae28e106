# SPDX-License-Identifier: Apache-2.0
"""Existing programs run as they are: those of Debian and npm, unmodified."""
import catalogue
import conftest
import steps


def test_program_is_served_frozen_and_ended_as_it_is(host, program):
    trial = steps.Trial(host, program)
    faults = trial.run()
    trial.keep(conftest.ROWS)
    assert not faults, "\n".join(f"{claim}: {what}" for claim, what in faults.items())


def test_names_of_programs_are_unique_and_forty_or_more():
    names = [p.name for p in catalogue.PROGRAMS]
    assert len(names) == len(set(names)) >= 40
