//! What every store does, whatever database it is: one suite through the contract alone, run on each implementation.
//!
//! A case is a function of a [`Place`]. What is of one implementation's files stands beside this suite.

mod dedupe;
mod digests;
mod fallback;
mod health;
mod history;
mod ingest;
mod lists;
mod pacing;
mod pages;
mod parking;
mod pausing;
mod place;
mod queue;
mod reports;
mod retention;
pub mod scene;
mod sessions;

macro_rules! cases {
    ($store:ident $($feature:ident: $($case:ident),+;)+) => {
        $(mod $feature {
            $(
                #[tokio::test]
                async fn $case() {
                    // Where there is no such database, that is said.
                    let Some(place) = super::place::$store().await else { return };
                    crate::store::conformance::$feature::$case(place).await;
                }
            )+
        })+
    };
}

/// The tests of one implementation, by the function of [`place`] that makes places for it. A case that is missing here is dead
/// code, which the build refuses.
macro_rules! conformance {
    ($store:ident) => {
        mod $store {
            use crate::store::conformance::place;

            cases! { $store
                ingest: what_was_answered_is_there_after_a_restart, orders_add_up_within_one_group_and_across_groups,
                    many_orders_at_once_are_each_recorded_once_in_a_sequence, an_event_is_read_as_it_was_recorded,
                    when_something_came_from_a_source_last_is_known_until_it_is_forgotten,
                    of_each_source_the_newest_five_thousand_refusals_are_kept_and_none_that_is_too_old;
                dedupe: the_same_webhook_twice_is_one_event_and_one_delivery,
                    the_same_webhook_many_times_at_once_is_one_event,
                    equal_content_about_a_shop_is_a_repeat_of_the_latest_within_five_minutes,
                    other_content_under_one_proof_is_another_event_while_it_is_fresh_and_a_replay_later,
                    a_guarded_key_is_kept_as_long_as_any_of_its_events,
                    a_fuller_repeat_completes_lines_and_total_and_rings_nobody;
                queue: an_attempt_is_on_disk_before_it_is_made_and_its_lease_keeps_others_away,
                    after_a_crash_what_was_under_way_is_due_again_with_the_same_bytes_and_marked_as_maybe_accepted,
                    waiting_deliveries_come_when_due_and_the_schedule_counts_only_what_it_should,
                    a_channel_in_order_gets_the_next_event_of_an_order_only_when_the_one_before_is_done,
                    each_part_comes_back_byte_for_byte_until_it_is_delivered,
                    each_step_leads_where_it_should, urgent_ones_come_first_and_which_they_are_may_change,
                    what_waits_is_known_by_channel_and_a_mended_setting_makes_it_due,
                    quiet_hours_hold_what_does_not_pass_them_and_let_go_when_they_change;
                digests: what_a_message_carries_shares_its_fate, a_digest_that_dies_gives_each_one_more_chance,
                    of_many_messages_that_would_carry_the_same_one_has_it,
                    what_was_tried_and_then_carried_has_another_key_when_it_goes_by_itself_again,
                    a_message_that_is_taken_apart_sets_free_what_it_carried;
                pacing: a_permit_is_taken_until_it_is_free_over_restarts_too,
                    a_rate_limited_credential_is_known_until_it_takes_a_message,
                    a_clock_that_is_put_back_lengthens_no_wait;
                parking: a_parked_channel_is_probed_and_an_acceptance_resumes_it,
                    a_channel_without_its_secret_is_parked_until_it_has_it,
                    a_test_leaves_nothing_behind;
                pausing: a_channel_is_paused_once_and_over_restarts_until_it_is_resumed,
                    nothing_of_a_paused_channel_is_due_or_begun_but_tests_and_then_all_of_it_is,
                    a_message_that_is_under_way_goes_on_in_a_paused_channel,
                    a_paused_channel_may_be_parked_as_well_and_each_ends_by_itself,
                    the_fallback_of_a_paused_channel_gets_what_is_urgent_and_has_waited_too_long;
                fallback: the_fallback_of_a_parked_channel_gets_what_is_urgent_once_and_its_acceptance_counts,
                    what_a_person_asks_for_once_more_goes_out_though_a_fallback_was_sent_it,
                    behind_hundreds_that_quiet_hours_hold_what_passes_them_is_found,
                    a_channel_catches_up_with_what_its_fallback_was_sent,
                    who_has_got_a_message_before_it_was_asked_for_once_more_does_not_make_it_delivered;
                history: a_delivery_is_cancelled_unless_it_has_arrived, a_delivery_is_sent_once_more_unless_it_is_under_way,
                    a_name_means_a_delivery_by_its_id_or_those_of_an_order,
                    the_dead_are_sent_once_more_and_what_lives_is_left_alone,
                    an_order_is_remembered_with_its_events_deliveries_and_attempts;
                lists: lists_of_any_length_are_read_page_by_page_from_the_newest_so_many, a_list_has_what_every_filter_lets_through;
                pages: every_row_stands_on_one_page_the_newest_first, a_page_has_what_every_filter_lets_through,
                    a_page_looks_at_so_many_rows_and_says_where_it_goes_on,
                    what_waits_and_what_is_dead_is_counted_by_channel, what_came_of_a_sources_webhooks_is_counted,
                    what_was_sent_is_kept_byte_for_byte, two_who_ask_for_one_round_have_it_sent_once,
                    those_that_wait_or_are_dead_come_channel_by_channel_and_leave_when_they_are_changed;
                reports: a_day_is_reported_once_however_many_ask_at_once, a_report_is_missing_from_its_beginning_on_until_it_is_made,
                    a_report_is_kept_with_its_table_and_its_picture_until_that_expires, the_facts_of_a_day_are_those_of_that_day;
                health: an_incident_changes_only_from_how_it_is_known_and_together_with_its_notice,
                    what_is_parked_overdue_dead_and_unrouted_is_seen,
                    what_waits_is_counted_with_its_age_and_why_a_channel_is_parked, each_commit_is_measured, what_was_not_proven_is_counted_between_two_moments,
                    a_command_asks_and_the_daemon_answers, a_closed_store_takes_no_more_and_can_be_opened_again;
                sessions: a_session_is_known_by_its_digest_over_restarts_until_it_is_ended,
                    sessions_that_are_not_used_or_too_old_are_swept_whatever_the_clock_was,
                    of_one_token_so_many_sessions_are_kept_the_last_used;
                retention: what_is_old_and_done_is_removed_and_never_what_is_still_to_be_delivered;
            }
        }
    };
}

conformance!(sqlite);
conformance!(postgres);
