"""The record: a run, which deals it touched, what an inventory found, where an archive is, and what
a restore brought back.

Rows are written by ``runs``, never edited by hand.
"""

from dealpurge.models.archive import PurgeArchiveChunk
from dealpurge.models.deals import InventoryDeal, PurgeRunDeal, RestoredDeal
from dealpurge.models.fields import UTCDateTimeField, stored_zone
from dealpurge.models.run import LOST_AFTER, PREVIEW_VALID_FOR, QUEUE_EXPIRES_AFTER, PurgeRun

__all__ = [
    "LOST_AFTER",
    "PREVIEW_VALID_FOR",
    "QUEUE_EXPIRES_AFTER",
    "InventoryDeal",
    "PurgeArchiveChunk",
    "PurgeRun",
    "PurgeRunDeal",
    "RestoredDeal",
    "UTCDateTimeField",
    "stored_zone",
]
