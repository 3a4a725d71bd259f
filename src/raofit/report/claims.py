"""The claims of a publication on a page: one table of verdicts, and one table of checks for each."""

from collections.abc import Sequence

from raofit.report.blocks import Badge, Table, Tone
from raofit.studies.claims import Claim, Verdict

_TONES: dict[Verdict, Tone] = {"supported": "good", "partly supported": "warning", "not supported": "bad"}


def verdict_counts(claims: Sequence[Claim]) -> str:
    """How many claims have each verdict, such as "3 supported, 1 not supported"."""
    counts = {verdict: sum(claim.verdict == verdict for claim in claims) for verdict in _TONES}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def claim_table(claims: Sequence[Claim], note: str = "") -> Table:
    """Statement and verdict of every claim; `note` ends the caption."""
    rows = [
        [claim.number, claim.statement, Badge(claim.verdict, _TONES[claim.verdict]), _share(claim), claim.test]
        for claim in claims
    ]
    caption = f"A claim is supported if every check holds, partly supported if some do. {note}".strip()
    return Table(("", "claim", "verdict", "checks", "checked by"), rows, caption)


def check_tables(claims: Sequence[Claim]) -> list[Table]:
    """The numbers behind each verdict."""
    tables = []
    for claim in claims:
        checks = [
            [check.what, check.numbers, Badge("holds", "good") if check.holds else Badge("fails", "bad")]
            for check in claim.checks
        ]
        caption = f"Claim {claim.number}: {claim.verdict}. {claim.test}"
        tables.append(Table(("check", "numbers", ""), checks, caption))
    return tables


def _share(claim: Claim) -> str:
    return f"{len(claim.checks) - len(claim.failures)} of {len(claim.checks)}"
