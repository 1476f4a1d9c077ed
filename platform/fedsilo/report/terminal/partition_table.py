"""Tables of partitions for the terminal: the images of each client, and heterogeneity scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from fedsilo.partitioning.client_holdings import ClientHoldings
from fedsilo.partitioning.heterogeneity import SCORES, Score, Scores
from fedsilo.partitioning.manifest import Manifest
from fedsilo.partitioning.word_counts import count_words
from fedsilo.report.terminal.cells import cell
from fedsilo.report.terminal.run_tables import describe_client

SHOWN = 40
"""Most clients that all have a row; of more clients only the largest and the smallest have one."""

SCORES_LEGEND = (
    "by chance: the same examples dealt at random in the same sizes; p: how often such a deal scores as much\n"
    "beyond chance: the root of value^2 - chance^2, which samples of different sizes leave comparable"
)


@dataclass(frozen=True, slots=True)
class MeasuredPartition:
    """A partition with its heterogeneity scores.

    Attributes:
        name: Name of the scenario.
        manifest: The partition.
        scores: The scores.
    """

    name: str
    manifest: Manifest
    scores: Scores


def partition_table(manifest: Manifest) -> Table:
    """Draws the images of each client.

    Args:
        manifest: The partition.

    Returns:
        Sizes, domain and largest classes of each client; of many clients only the largest and the smallest.
    """
    table = Table(title="who holds what", title_justify="left")
    for title in ("client", "domain", "train", "test", *name_counted(manifest), "most of"):
        table.add_column(title, justify="left" if title in ("domain", "most of") else "right")
    numbers = count_kinds(manifest)
    clients = list(manifest.clients)
    if len(clients) <= SHOWN:
        for client in clients:
            table.add_row(*_holding(client, manifest.classes, numbers[client.number]))
        return table
    ranked = sorted(clients, key=lambda client: (-len(client.train), client.number))
    half = SHOWN // 4
    for client in ranked[:half]:
        table.add_row(*_holding(client, manifest.classes, numbers[client.number]))
    between = f"{len(ranked) - 2 * half:,} more"
    table.add_row("...", between, "", "", *("" for _ in name_counted(manifest)), "in partition.json", style="dim")
    for client in ranked[-half:]:
        table.add_row(*_holding(client, manifest.classes, numbers[client.number]))
    return table


def name_counted(manifest: Manifest) -> tuple[str, ...]:
    """Names what clients hold some of.

    Args:
        manifest: The partition.

    Returns:
        "classes"; or "pairs", "attributes", "objects" for compositions.
    """
    return ("pairs", "attributes", "objects") if manifest.attributes else ("classes",)


def count_kinds(manifest: Manifest) -> list[tuple[str, ...]]:
    """Counts of how many classes, or pairs, attributes and objects, each client has training images.

    Args:
        manifest: The partition.

    Returns:
        The numbers of each client as texts, in the order of `name_counted`.
    """
    tables = [manifest.train_counts(), *(found.train for found in count_words(manifest))]
    return list(zip(*[[str(number) for number in (table > 0).sum(axis=1)] for table in tables], strict=True))


def _holding(client: ClientHoldings, classes: Sequence[str], numbers: Sequence[str]) -> tuple[str, ...]:
    counts = sorted(zip(client.train_classes, classes, strict=True), reverse=True)[:4]
    return (
        f"{client.number:02d}",
        cell(describe_client(client)),
        str(len(client.train)),
        str(len(client.test)),
        *numbers,
        ", ".join(f"{cell(name)} {count}" for count, name in counts if count),
    )


def scores_table(measured: MeasuredPartition) -> Table:
    """Draws every score beside its value by chance.

    Args:
        measured: The partition with its scores.

    Returns:
        A row per score.
    """
    table = Table(title=f"{cell(measured.name)}: how unlike the clients are", title_justify="left")
    for title in ("score", "value", "at most", "by chance", "95 %", "p", "beyond chance", ""):
        table.add_column(title, justify="left" if title in ("score", "") else "right")
    for score in measured.scores.scores:
        null = score.null
        table.add_row(
            SCORES[score.name].title,
            f"{score.value:.3f}",
            f"{score.most:.3g}",
            f"{null.mean:.3f}",
            f"{null.high:.3f}",
            f"{null.p:.2f}",
            f"{score.beyond_chance:.3f}",
            score.verdict,
            style="dim" if score.within_null else None,
        )
    return table


def sizes_line(scores: Scores) -> str:
    """Describes how unequal the clients' training sets are.

    Args:
        scores: The scores.

    Returns:
        One line.
    """
    sizes = scores.sizes
    return (
        f"sizes: {sizes.smallest:,} to {sizes.largest:,} training images, median {sizes.median:,.0f}; "
        f"Gini {sizes.gini:.3f}; {sizes.effective_clients:,.1f} effective clients of {scores.clients:,}"
    )


def scores_line(scores: Scores) -> str:
    """Describes the main scores.

    Args:
        scores: The scores.

    Returns:
        One line.
    """
    found = [scores.score(name) for name in ("label_shift", "feature_sliced", "labelled_transport")]
    parts = [_describe(score) for score in found if score is not None]
    return f"clients: {'; '.join(parts)}; sizes {scores.sizes.gini:.2f} (Gini)"


def _describe(score: Score) -> str:
    return f"{SCORES[score.name].title} {score.value:.2f}, by chance {score.null.mean:.2f} ({score.verdict})"


def partitions_table(several: Sequence[MeasuredPartition]) -> Table:
    """Draws partitions side by side.

    Args:
        several: The partitions with their scores.

    Returns:
        A column per partition.
    """
    table = Table(title="partitions side by side: value (by chance) beyond chance", title_justify="left")
    table.add_column("", no_wrap=True)
    for measured in several:
        table.add_column(cell(measured.name), justify="right")
    for title, cells in _facts(several):
        table.add_row(title, *cells)
    table.add_section()
    for name, kind in SCORES.items():
        scores = [measured.scores.score(name) for measured in several]
        if any(scores):
            table.add_row(kind.title, *[_cell(score) for score in scores])
    return table


def _facts(several: Sequence[MeasuredPartition]) -> list[tuple[str, list[str]]]:
    sizes = [measured.scores.sizes for measured in several]
    backbones = [measured.scores.backbone or "none" for measured in several]
    return [
        ("clients", [f"{measured.scores.clients:,}" for measured in several]),
        ("training images", [f"{sum(len(c.train) for c in m.manifest.clients):,}" for m in several]),
        ("smallest to largest", [f"{s.smallest:,} to {s.largest:,}" for s in sizes]),
        ("effective clients", [f"{s.effective_clients:,.1f}" for s in sizes]),
        ("sizes (Gini)", [f"{s.gini:.3f}" for s in sizes]),
        ("data", [m.manifest.fingerprint[:12] for m in several]),
        ("features of", backbones),
    ]


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    text = f"{score.value:.2f} ({score.null.mean:.2f}) {score.beyond_chance:.2f}"
    return f"[dim]{text}[/dim]" if score.within_null else text
