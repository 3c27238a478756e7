"""Codes of sentences are for good: what is stored in the rows of runs refers to them, from one version to the next."""

from __future__ import annotations

import re

import dealpurge.services  # noqa: F401 - with it comes every module that marks sentences
from dealpurge.i18n import SENTENCES

#: Each with the number of its parameters. A new sentence has a new line here, and so has one whose parameters become
#: others; a line that goes makes pages of old runs say it in English.
CODES = """
activity_untold 0
address_unreadable 0
archive_changing 0
archive_full 0
archive_oversized 0
archive_unchecked 0
archive_unreadable 0
archive_unwritable 0
archive_without_families 0
broken_off 0
callable_is_address 1
callable_not_imported 2
cannot_save 0
certificate_untrusted 0
checkpoints_of_others 1
cluster_down 0
cluster_node 0
command_forbidden 1
command_refused 1
connections_dropped 1
credentials_refused 0
deal_is_organisation 1
deals_oversized 1
environment_unnamed 1
events_unread 1
failover_unverified 0
families_no_dictionary 0
family_without_template 1
hash_tag_only 0
idle_time_unknown 0
interrupted 0
limit_deals_exceeded 3
limit_deals_reached 1
limit_keys_exceeded 3
limit_keys_reached 1
limits_exceeded 6
loading 1
looked_at_singly 0
max_clients 1
namesakes_left 1
no_client 1
no_cluster 0
no_database 0
no_environment 0
no_events 0
no_handshake 1
no_limit 2
no_on_full 0
no_primary 1
no_sentinel 1
no_server_label 0
no_service 1
no_storage 0
no_yes_or_no 0
not_allowed 0
not_callable 1
not_queued 0
not_redis 0
not_tls 0
option_unfit 0
option_unusable 1
organisations_as_deals 0
other_address 0
other_environment 2
other_families 0
out_of_time 1
permission_lacking 0
process_lost 0
protected_mode 0
queue_expired 0
record_migrate 0
record_unwritable 0
replica 0
replies_lost 0
reply_nonsense 1
reply_oversized 1
restarted 0
restore_damaged 2
restore_damaged_files 2
restore_earlier 0
restore_expired 0
restore_format 3
restore_full 0
restore_idle 0
restore_no_archive 0
restore_no_purge 0
restore_no_room 0
restore_no_room_left 0
restore_not_allowed 0
restore_other_environment 1
restore_out_of_time 1
restore_refused_keys 1
restore_removed 0
restore_replaced 0
restore_replies_lost 0
restore_under_way 0
scan_endless 0
script_busy 0
sentinel_credentials 0
sentinel_names_replica 0
sentinel_tls 0
server_changed 0
server_replaced 0
server_replaced_dry_run 0
servers_in_turn 0
servers_kept_changing 0
several_organisations 1
several_slots 1
sharding_proxy 0
sharding_suspected 0
shared_ids_left 1
template_deal_id 1
template_delimiter 1
template_head 1
template_no_string 1
template_org_id 1
template_placeholder 2
template_unreadable 2
tls_unusable 1
too_few_replicas 0
transaction_refused 0
unexpected 1
unreachable 1
wants_tls 0
without_transaction 1
writes_lost 1
"""


def test_every_code_has_as_many_parameters_as_ever() -> None:
    assert [f"{code} {sentence.count('{}')}" for code, sentence in sorted(SENTENCES.items())] == CODES.split("\n")[1:-1]


def test_codes_are_words() -> None:
    assert [code for code in SENTENCES if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)] == []
