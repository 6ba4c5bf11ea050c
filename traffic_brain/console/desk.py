"""All that the console works with, made once when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from traffic_brain.console.accounts import Accounts
from traffic_brain.console.database import Database
from traffic_brain.console.decisions import Decisions
from traffic_brain.console.emergencies import Emergencies
from traffic_brain.console.journal import Journal
from traffic_brain.console.nights import Library
from traffic_brain.console.proposals import Proposals
from traffic_brain.console.runs import Runs
from traffic_brain.console.settings import Settings
from traffic_brain.console.throttle import Throttle

GUESSES, GUESS_WINDOW_S = 8, 300.0
"""Wrong passwords of one name from one address, in five minutes."""
GUESSES_OF_ADDRESS = 40
CHANGES_A_MINUTE = 1200
"""A dragged offset asks the server many times a second."""


@dataclass(frozen=True)
class Desk:
    """The console's parts."""

    settings: Settings
    accounts: Accounts
    journal: Journal
    library: Library
    runs: Runs
    proposals: Proposals
    decisions: Decisions
    emergencies: Emergencies
    guesses: Throttle
    """Wrong passwords and tokens, by name and address."""
    addresses: Throttle
    """Wrong passwords by address, whatever the name."""
    changes: Throttle

    def close(self) -> None:
        """End runs, give back databases."""
        self.runs.close()
        self.decisions.close()


def open_desk(settings: Settings) -> Desk:
    """Make the parts.

    Raises:
        ConfigurationError: the root or its database cannot be used.
    """
    database = Database(settings.database)
    library, runs = Library(settings.root), Runs()
    return Desk(
        settings=settings,
        accounts=Accounts(database),
        journal=Journal(database),
        library=library,
        runs=runs,
        proposals=Proposals(library, runs),
        decisions=Decisions(settings),
        emergencies=Emergencies(),
        guesses=Throttle(GUESSES, GUESS_WINDOW_S),
        addresses=Throttle(GUESSES_OF_ADDRESS, GUESS_WINDOW_S),
        changes=Throttle(CHANGES_A_MINUTE, 60.0),
    )
