"""`watchkeeper convert`."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from streams.terminal import Json, console, show, told


def convert(
    source: Annotated[Path, typer.Argument(help="A copy of what the publisher hands out.")],
    folder: Annotated[Path, typer.Argument(help="Where the suite is to lie; its name says which it is.")],
    as_json: Json = False,
) -> None:
    """Convert a public benchmark from its publisher's layout to a suite, a folder that `evaluate` and `budget` read.

    The name of the folder, and the source:

    - nab: the repository numenta/NAB
    - skab: the repository waico/SKAB
    - smd: ServerMachineDataset of NetManAIOps/OmniAnomaly
    - asd: the repository zhhlee/InterFusion, its pickles saved anew with numpy.save, since no pickle is opened
    - nasa: khundman/telemanom with its data unpacked, or data/SMAP_MSL of imperial-qore/TranAD
    - ucr: the text files of the UCR anomaly archive
    - aiops_kpi: NetManAIOps/KPI-Anomaly-Detection unzipped, its HDF file saved anew as CSV, or CSTCloudOps/datasets
    - tep: the repository camaramm/tennessee-eastman-profBraatz
    - ferrybox: the repository DirSwe-Art/RoLA_DirSweArt

    Files of the same names are overwritten.
    """
    with told():
        written = import_module("connectors.published").convert(source, folder)
    if as_json:
        show({"folder": str(folder), "recordings": [str(path.relative_to(folder)) for path in written]})
        return
    console().print(f"{folder}: {len(written)} recordings, for `watchkeeper evaluate {folder} -w …`", soft_wrap=True)
