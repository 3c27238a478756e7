"""What the report says of a purge's passes."""

from __future__ import annotations

from dealpurge.i18n import gettext_noop

REPLACED_WARNING = gettext_noop(
    "A Redis server was replaced, restarted or reshaped during the run, or its data or replication changed, so it was "
    "gone over again: the counts are sums over all passes and may exceed the keys that there were.",
    code="server_replaced",
)
REPLACED_DRY_WARNING = gettext_noop(
    "A Redis server was replaced, restarted or reshaped during the dry run, or its data or replication changed: the "
    "counts are those of its last full pass.",
    code="server_replaced_dry_run",
)
RESTLESS_WARNING = gettext_noop(
    "The Redis servers kept changing through three passes. Run the purge again.", code="servers_kept_changing"
)
IN_TURN_WARNING = gettext_noop(
    "WARNING: the address of Redis leads to several servers in turn, as a load balancer before several primaries does, "
    "and KEYS OF SOME MAY BE LEFT. Purge each server by its own address.",
    code="servers_in_turn",
)
UNVERIFIED_WARNING = gettext_noop(
    "INFO is refused or unknown here, so completeness across a failover was not verified.", code="failover_unverified"
)
NARROWED_WARNING = gettext_noop(
    "Only the cluster node of the deal's hash tag was searched: keys that carry the deal's id without that tag, or "
    "that a broken migration left elsewhere, were not looked for.",
    code="hash_tag_only",
)
BROKEN_WARNING = gettext_noop(
    "Replies were lost, or made no sense: of the keys named in them some may have been deleted that "
    "are counted as vanished, or not at all.",
    code="replies_lost",
)
PLAIN_WARNING = gettext_noop(
    "{} went without a transaction, because Redis refused it (as a full one does, and a cluster that moves "
    "their slots): each was judged immediately before its keys were removed.",
    code="without_transaction",
)
SCATTERED_WARNING = gettext_noop(
    "{} went without one transaction for all their keys, because these lie in several slots of the cluster: each was "
    "judged again before every slot. Hash tags in the key templates, such as {{{{{{org_id}}:{{deal_id}}}}}}, "
    "keep a deal's keys together.",
    code="several_slots",
)
BROKEN_OFF_WARNING = gettext_noop(
    "The run was stopped before its end: deals counted as interrupted may have keys left.", code="broken_off"
)
