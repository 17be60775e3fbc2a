//! Orderbell rings the right people when a shop or food-delivery platform pushes an order or stock webhook, and says so
//! when a message, or a webhook, does *not* arrive.
//!
//! One static binary, one TOML file, one SQLite file; a merchant runs it.
//!
//! # Promises
//!
//! | | promise | proof |
//! |---|---|---|
//! | 1 | A webhook is acknowledged only after event, order state and deliveries are committed and on disk, in one transaction. | `every_acknowledged_webhook_survives_sigkill`, `a_full_disk_is_answered_503_and_the_daemon_recovers_by_itself`, `nothing_is_acknowledged_into_a_database_that_is_deleted_or_cut_short`, `a_bit_that_flips_in_any_page_of_the_log_loses_nothing_silently` |
//! | 2 | The same webhook twice is one event. The check is a key in the transaction of the event, after the signature check. | `the_same_webhook_many_times_at_once_is_one_event`, `repeats_are_recognised_by_meaning` |
//! | 3 | Every delivery of an acknowledged webhook is attempted until the receiver accepts it, a person cancels it, or it is given up visibly as dead. | `a_week_of_mishaps_breaks_no_promise`, `every_acknowledged_webhook_survives_sigkill`, `nothing_is_lost_nor_sent_twice_while_the_configuration_changes_under_load`, `only_errcode_zero_is_acceptance`, `a_cancelled_delivery_is_tried_no_more`, `a_dead_delivery_that_is_sent_once_more_arrives` |
//! | 4 | A message is repeated only where the answer was lost; then it carries the same idempotency key or, where the receiver knows none, the words "possibly a repeat". | `a_week_of_mishaps_breaks_no_promise`, `whatever_a_receiver_says_and_whatever_befalls_it_the_receivers_count_is_the_stores`, `a_lost_answer_is_repeated_with_the_same_key_and_bytes`, `a_lost_answer_of_a_receiver_without_keys_is_repeated_with_a_mark`, `after_a_crash_what_was_under_way_is_due_again_with_the_same_bytes_and_marked_as_maybe_accepted` |
//! | 5 | A provider's limit is never exceeded by us: pacing is per credential and survives restarts. | `no_window_of_the_receiver_ever_holds_more_than_any_allowance`, `a_week_of_mishaps_breaks_no_promise`, `a_thousand_orders_in_a_minute_go_through_each_robot_without_exceeding_its_limit`, `a_restart_in_the_midst_of_the_flood_does_not_make_the_robot_be_shut`, `two_channels_on_one_robot_share_its_allowance` |
//! | 6 | A template that fails never silences an event: the plain form goes out, and the operator is notified once; also where composing ended the process, over restarts. | `a_template_that_fails_never_silences_an_event`, `whatever_a_template_does_the_order_goes_out_and_the_daemon_lives_on`, `an_order_whose_composing_ended_the_daemon_goes_out_plain_at_the_next_start` |
//! | 7 | We say no for two reasons: we do not believe it, or we cannot remember it now. What we believe and cannot read is kept whole. | `each_bad_request_gets_its_answer_and_the_daemon_lives_on`, `a_full_disk_is_answered_503_and_the_daemon_recovers_by_itself` |
//! | 8 | Secrets never appear in a log, an error, a page, a metric or an API answer; nor do buyers' data in logs. What a receiver says back is masked before it is stored. | `no_secret_and_no_buyer_is_in_any_log`, `no_secret_that_a_receiver_says_back_is_stored_logged_or_shown_in_any_form`, `no_form_of_a_secret_is_left_in_a_text`, `no_shape_in_the_place_of_a_secret_is_shown`, `values_under_key_like_names_are_masked_wherever_they_stand` |
//! | 9 | Nothing unsigned costs more than linear work with a small constant, and no stranger's connections or requests keep genuine webhooks out. | `of_more_than_64_members_nothing_further_is_read`, `a_large_body_waits_for_a_thread_of_its_own_and_nobody_waits_for_it`, `however_many_connections_are_left_half_open_a_whole_request_is_answered`, `large_bodies_together_take_no_more_memory_than_was_granted_and_small_ones_are_not_kept_out`, `a_flood_of_refused_webhooks_is_a_line_a_second_that_counts_the_others` |
//! | 10 | A mistake in configuration or template never stops the intake, over restarts too: the last good configuration and the built-in words are in force until it is mended, and the operator is notified. | `a_start_with_a_broken_file_goes_on_with_the_configuration_last_in_force`, `a_broken_template_starts_with_the_built_in_one_in_its_place_and_the_others_as_they_are`, `a_secret_that_cannot_be_read_parks_its_channel_and_closes_its_source`, `a_mistake_in_the_configuration_is_notified_once_an_hour_until_it_is_mended_over_restarts_too` |
//!
//! # The walk of one webhook
//!
//! ```text
//! bytes ─▶ web/hooks ─▶ platform: verify ─▶ parse ─▶ domain: route ─▶ store: record (one commit) ─▶ "received"
//!                                              decide(order before, event) → order after; choose targets  │ notify
//! receiver ◀─ channel: send ◀─ store: claim ◀─ domain: compose (template ▸ document ▸ parts) ◀─ flow/worker: admit
//!                └─ outcome ─▶ domain: next step ─▶ store: settle
//! ```
//!
//! Intake decides which channels get an event; delivery decides in which words, at which moment. What decides is a pure
//! function of its arguments, time included; database and network are at the rim.
//!
//! # Read on
//!
//! `docs/ARCHITECTURE.md` says what the words mean, how a webhook, a delivery, a report and a reload go through the code, which
//! room imports which, and where a new channel, platform, language or command belongs. Each module says at its head what it is
//! for: [`flow`] has the walks, [`domain`] what decides, [`platform`] and [`channel`] a folder for each kind.

#![forbid(unsafe_code)]
// Both macros panic when nobody reads any more; `cli::output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod channel;
pub mod cli;
pub mod config;
pub mod diagnostic;
pub mod domain;
pub mod flow;
pub mod in_force;
pub mod platform;
pub mod render;
pub mod sandbox;
pub mod store;
pub mod template_check;
pub mod web;
