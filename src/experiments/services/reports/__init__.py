"""Reports: what the ledger knows, as a page, a deck of slides or plain text, every figure with the query behind it."""

from experiments.services.reports.building import PURPOSES, build
from experiments.services.reports.model import Report
from experiments.services.reports.writing import FORMATS, check_target, prepare, write

__all__ = ["FORMATS", "PURPOSES", "Report", "build", "check_target", "prepare", "write"]
