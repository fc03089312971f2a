"""Server Machine Dataset: the folder ServerMachineDataset of the repository NetManAIOps/OmniAnomaly."""

from pathlib import Path

from connectors.published.arrays import written
from connectors.published.tables import Named, halves, numbered


def recordings(source: Path) -> Named:
    """train, test and test_label, each with MACHINE.txt: numbers with commas, one row a minute."""
    for path in sorted(source.glob("train/*.txt")):
        train, test, label = (written(source / part / path.name) for part in ("train", "test", "test_label"))
        names = numbered("m", train.shape[1])
        yield f"{path.stem}.parquet", halves(train, test, label[:, 0], names=names, seconds=60)
