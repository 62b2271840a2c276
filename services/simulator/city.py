"""The demo's city: its registry documents, as they lie in `city/*.yaml`, and what its meters and works have to say."""

from importlib.resources import as_file, files
from pathlib import Path

from schemas.documents import Document, Meter, parse_document
from services.command.document_files import find_files, read_files
from services.simulator.buildings import buildings
from services.simulator.channel import Channel
from services.simulator.simulated import simulated
from services.simulator.steel import steel

ROOT = "province/sichuan"


def city_folder() -> Path:
    """Return the folder of the city's registry documents."""
    with as_file(files("services.simulator") / "city") as folder:
        return folder


def city_documents() -> list[Document]:
    """Return the city's registry documents in the order of their files."""
    found, faults = read_files(find_files([city_folder()]))
    if faults:
        raise ValueError("\n".join(str(fault) for fault in faults))
    parsed = [parse_document(one.raw) for one in found]
    return [one for one in parsed if not isinstance(one, list)]


def city_channels() -> list[Channel]:
    """Return what all meters of the city have to say: two enterprises are real, the others simulated."""
    meters = [one for one in city_documents() if isinstance(one, Meter)]
    return [steel(), *buildings(), *simulated(meters)]
