"""Secure aggregation: the coordinator learns the sum of the updates and no single update.

Each exchange is one round of the protocol in `fedsilo.aggregation.secagg`. Keys and masks are made while clients train.
A client that dies, is late or sends an invalid message before its masked update has arrived is left out; a client that
does so afterwards counts. With fewer than `threshold` clients left the exchange is given up before any sum is opened.

What is guaranteed: the coordinator, together with up to `colluding` clients, learns the sum of the updates of at least
`threshold` clients, and nothing else about the updates of the others. At least two updates in every opened sum are
unknown to each single client, and to the colluding clients together. Where the privacy mechanism adds noise in shares,
only the noisy sum can be opened.

What is assumed:

- The coordinator follows the protocol, and may analyse all that it gets. With `identities` it may also try to invent
  clients or to answer in their names; without, that breaks the protection.
- At most `colluding` clients work together with the coordinator.
- X25519, HKDF-SHA256, ChaCha20, ChaCha20-Poly1305, Ed25519 and the system's random numbers are secure.

What is not protected: clients that send wrong updates spoil the sum. Side channels are out of scope. Actors of one Ray
cluster share an object store, so this shows what the protocol sends, and does not isolate processes.

Source: Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS 2017; Bell et al.,
"Secure Single-Server Aggregation with (Poly)Logarithmic Overhead", CCS 2020, for `graph: neighbours`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from fedsilo.aggregation.secagg.graph import neighbours_needed
from fedsilo.aggregation.secagg.identities import HOW, check_private_keys, find_exposed_keys, read_members, read_signer
from fedsilo.aggregation.secagg.modular_sums import ModularAggregation
from fedsilo.aggregation.secagg.parameters import GRAPHS, Parameters, default_threshold
from fedsilo.aggregation.secagg.protocol_coordinator import SecureCoordinator
from fedsilo.aggregation.secagg.secure_exchange import SecureExchange
from fedsilo.aggregation.secagg.signatures import Signer
from fedsilo.aggregation.secagg.update_vectors import ModularEncoding
from fedsilo.core import Exchange, Gathered
from fedsilo.core.config_fields import key
from fedsilo.core.errors import ScenarioError
from fedsilo.data.files.user_paths import from_home, is_missing
from fedsilo.storage.wire_log import count_bytes

DROPOUT = 0.05
"""Share of clients that may drop out without a round on the neighbours' graph failing more often than 2^-30."""


@dataclass(frozen=True)
class Secure(ModularAggregation):
    """The sum of masked updates, of which only the sum can be read."""

    masks = True

    threshold: int = key(
        0,
        "Clients that must finish an exchange; 0: two thirds and one, more where colluding requires it.",
        within=">= 0",
    )
    colluding: int = key(0, "Clients that may work together with the coordinator.", within=">= 0")
    graph: str = key(
        "complete",
        "Pairs of clients that mask: all, or each with some neighbours (from about 50 clients; none may collude).",
        *GRAPHS,
    )
    neighbours: int = key(0, "Neighbours of each client in that graph; 0: enough for 5 % dropouts.", within=">= 0")
    stage_timeout_s: float = key(
        60.0, "Longest wait for the answers of one stage of the protocol, training aside, seconds.", within="> 0"
    )

    identities: str = key(
        "",
        "Folder with client-N.pub of every client, and on the machine of client N its client-N.key, to sign keys with; "
        "empty: unsigned, which protects from listeners only. ~ is the home folder.",
    )

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields, one line each."""
        if self.identities and (is_missing(self.identities) or self._folder.is_file()):
            return [f"identities: there is no folder '{self.identities}'. {HOW}"]
        return []

    def refusals(self, clients: int) -> list[str]:
        """Explains why this number of clients cannot be summed securely.

        Args:
            clients: Number of clients.

        Returns:
            Lines 'key: why. What to do.'; empty where the sum is possible.
        """
        if self.graph == "neighbours" and self.colluding:
            return [
                f"colluding: {self.colluding} clients could cut the neighbours' graph into parts whose sums they open. "
                "Use graph 'complete', or colluding 0."
            ]
        try:
            return self.parameters(tuple(range(clients)), 1).problems()
        except ScenarioError as error:
            return [f"name: {error}"]

    def identity_problems(self, clients: int) -> list[str]:
        """Checks the key files of clients; of private keys, those on this machine.

        Args:
            clients: Number of clients.

        Returns:
            One line on the first problem; empty where there is none, or the scenario names no keys.
        """
        if not self.identities or is_missing(self.identities) or not self._folder.is_dir():
            return []  # a missing folder is a problem by itself, unless it is on another machine
        try:
            check_private_keys(self._folder, range(clients))
        except ScenarioError as error:
            return [f"identities: {error}"]
        return []

    def identity_notices(self, clients: int) -> list[str]:
        """Checks whether private keys on this machine can be read by other users.

        Args:
            clients: Number of clients.

        Returns:
            One line where they can; empty otherwise.
        """
        exposed = find_exposed_keys(self._folder, range(clients)) if self.identities else []
        if not exposed:
            return []
        more = f" and {len(exposed) - 1} more" if len(exposed) > 1 else ""
        return [f"aggregation.identities: {exposed[0]}{more} can be read by other users. Use chmod 600."]

    def identities_sha256(self, clients: int) -> str:
        """Hashes the public keys of the clients.

        Args:
            clients: Number of clients.

        Returns:
            64 hexadecimal digits; "" where clients do not sign.

        Raises:
            ScenarioError: A public key is missing or invalid.
        """
        return read_members(self._folder, range(clients)).sha256() if self.identities else ""

    def signer(self, client: int, clients: int) -> Signer | None:
        """Reads what a client signs with.

        Args:
            client: The client's number.
            clients: Number of clients.

        Returns:
            The client's signing key with all public keys; None where the scenario names no keys.

        Raises:
            ScenarioError: A key is missing or invalid.
        """
        return read_signer(self._folder, client, range(clients)) if self.identities else None

    def with_absolute_paths(self) -> Secure:
        """Makes the folder's path absolute, because actors work in another folder."""
        return replace(self, identities=str(self._folder.absolute())) if self.identities else self

    @property
    def _folder(self) -> Path:
        return from_home(self.identities)

    def gather(self, exchange: Exchange) -> Gathered:
        """Runs the protocol for one exchange.

        Args:
            exchange: The exchange.

        Returns:
            The mean over the clients that stayed, without single updates.

        Raises:
            RoundAborted: Fewer than the threshold stayed, at any stage, or their shares do not open the sum.
            ProtocolViolation: Clients refuse the round itself: it is not what they agreed to.
            ScenarioError: This number of clients has no safe threshold, or public keys cannot be read.
        """
        encoding, tasks = self.encode_tasks(exchange)
        session = SecureExchange(exchange, tasks, self._coordinator(exchange, encoding), self.stage_timeout_s)
        total = session.run()
        mean, loss = self.mean(exchange, encoding, total.total)
        return Gathered(
            mean=mean,
            clients=total.survivors,
            loss=loss,
            updates={},
            crossings=session.lines,
            upload_bytes=count_bytes(session.lines, "up"),
            download_bytes=count_bytes(session.lines, "down"),
            silent=session.silent,
            notices=tuple(session.notices),
        )

    def unknown(self, clients: int) -> int:
        """Counts the updates in an opened sum that remain unknown to every single client and to the colluding clients.

        Args:
            clients: Number of clients in the exchange.

        Returns:
            The smallest such number; shares of noise are scaled so that this many suffice.
        """
        return self.parameters(tuple(range(clients)), 1).unknown

    def parameters(self, clients: tuple[int, ...], dim: int) -> Parameters:
        """Fixes what all sides of a sum agree on.

        Args:
            clients: The clients that may take part, ascending.
            dim: Coordinates of a vector.

        Returns:
            The parameters.

        Raises:
            ScenarioError: This number of clients has no safe threshold.
        """
        threshold = self.threshold or default_threshold(len(clients), self.colluding)
        if self.graph == "complete":
            return Parameters(clients, threshold, dim, self.colluding)
        needed = neighbours_needed(len(clients), self.colluding / len(clients), DROPOUT)
        count = self.neighbours or needed.neighbours
        return Parameters(clients, threshold, dim, self.colluding, self.graph, count, min(needed.quorum, count))

    def _coordinator(self, exchange: Exchange, encoding: ModularEncoding) -> SecureCoordinator:
        clients, first = tuple(sorted(exchange.tasks)), next(iter(exchange.tasks.values()))
        dim = encoding.dim({name: tuple(tensor.shape) for name, tensor in exchange.reference.items()})
        context = f"{exchange.run}|{first.round}|{first.exchange}|{exchange.attempt}"
        members = _members(self._folder, clients) if self.identities else None
        return SecureCoordinator(self.parameters(clients, dim), context.encode() + encoding.ending, members)


_members = lru_cache(maxsize=8)(read_members)  # read once in a run, not for every exchange
