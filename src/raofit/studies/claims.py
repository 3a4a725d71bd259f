"""The statements of a publication, each as checks on our numbers with a verdict."""

import dataclasses
from typing import Literal

Verdict = Literal["supported", "partly supported", "not supported"]


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing a claim implies: what was compared, the numbers, and whether it holds."""

    what: str
    numbers: str
    holds: bool


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of the paper and what our numbers say.

    Parameters
    ----------
    number : as in the project's fact sheet.
    statement : what the paper says.
    test : what was checked, so that anybody can disagree.
    checks : one per parameter, SNR or method.
    """

    number: int
    statement: str
    test: str
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """All, some or none of the checks hold."""
        held = [check.holds for check in self.checks]
        return "supported" if all(held) else "partly supported" if any(held) else "not supported"

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.holds)
