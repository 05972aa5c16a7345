//! What every backend must show. Each behaviour is a function over a [`Backend`];
//! [`store_conformance!`](crate::store_conformance) makes a test of each.
//!
//! * [`samples`] – rows to write;
//! * [`guards`], [`rows`], [`transcripts`], [`clock`], [`outbox`], [`edge`] – each guard, each write with the reads that show it;
//! * [`many`] – concurrent committers;
//! * [`tenants`] – no read and no write reaches another workspace;
//! * [`lasting`] – what is there after closing and opening again.

#![allow(
    clippy::unwrap_used,
    reason = "this is test code that other crates run"
)]

use std::sync::Arc;

use async_trait::async_trait;
use tandem_domain::store::Store;

pub mod samples;

pub mod clock;
pub mod edge;
pub mod guards;
pub mod lasting;
pub mod many;
pub mod outbox;
pub mod rows;
pub mod tenants;
pub mod transcripts;

/// One database, empty at first.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens it. After the store was dropped, opening again shows the same rows.
    async fn open(&self) -> Arc<dyn Store>;

    /// False for one that forgets everything when it is closed.
    fn lasts(&self) -> bool {
        true
    }
}

macro_rules! behaviours {
    ($dollar:tt $($module:ident: $($name:ident),+;)*) => {
        /// Runs every behaviour, each on a database of its own.
        pub async fn run(make: impl Fn() -> Box<dyn Backend>) {
            $($($module::$name(&*make()).await;)+)*
        }

        /// A test of each behaviour. Takes an expression that makes a `Box<dyn Backend>`.
        #[macro_export]
        macro_rules! store_conformance {
            ($dollar make:expr) => {$($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let backend: Box<dyn $crate::conformance::Backend> = $dollar make;
                    $crate::conformance::$module::$name(&*backend).await;
                }
            )+)*};
        }
    };
}

behaviours! { $
    guards:
        not_accepted_tells_the_first_id,
        inbox_pending_holds_until_done_or_dead,
        lane_version_must_match,
        control_epoch_must_match,
        timer_set_holds_until_fired_or_cancelled,
        action_pending_holds_until_done_or_cancelled,
        outbox_lease_must_be_the_callers,
        outbox_ready_holds_until_leased_or_settled,
        client_id_must_be_new,
        a_line_is_known_by_its_lane,
        once_is_free_until_claimed,
        contact_must_be_new,
        a_failing_guard_writes_nothing,
        the_first_failing_guard_decides;
    rows:
        a_turn_is_there_after_one_commit,
        a_put_replaces_the_row_of_its_id,
        a_second_event_with_the_same_key_is_skipped,
        inbox_rows_wait_in_order_until_worked_off,
        a_dead_inbox_row_no_longer_waits,
        events_are_numbered_densely,
        the_journal_is_in_order,
        tickets_are_listed_newest_first,
        files_and_secrets_are_kept_and_secrets_erased,
        packs_are_kept_by_content_and_one_is_active,
        odd_texts_come_back_as_they_were,
        depths_count_what_waits,
        ping_answers;
    transcripts:
        conversations_are_listed_newest_first_and_paged,
        conversations_are_filtered,
        a_conversation_moves_between_filters,
        messages_are_paged_in_order,
        lane_messages_cross_conversations,
        delivery_of_a_message_changes_alone_and_only_goes_on,
        what_a_message_says_changes_alone,
        a_message_is_found_by_its_client_id;
    clock:
        timers_fire_when_due_and_once,
        a_timer_is_replaced_by_its_key_and_cancelled_by_it,
        actions_wait_for_their_result,
        a_cancelled_action_stays_without_result,
        claims_expire,
        values_expire,
        purge_forgets_what_is_old_and_settled;
    outbox:
        rows_of_a_lane_leave_in_order_one_at_a_time,
        lanes_do_not_wait_for_each_other,
        a_row_waits_until_its_time,
        an_expired_lease_is_given_again_under_a_new_number,
        a_retry_keeps_its_place,
        a_row_put_late_goes_before_those_after_it,
        a_row_claimed_by_hand_holds_its_lane,
        a_replayed_dead_letter_leaves_again,
        rows_put_as_settled_never_leave,
        dead_letters_are_listed_newest_first,
        a_long_backlog_behind_a_waiting_head_is_not_leased,
        accounts_do_not_wait_for_each_other,
        a_held_row_leaves_when_the_customer_writes_or_its_time_comes;
    edge:
        sends_are_counted_since_the_customer_wrote,
        a_way_to_answer_opens_no_window,
        the_native_ids_of_a_line_are_listed_in_order,
        a_use_of_a_reply_context_is_claimed_once,
        a_native_id_names_its_line,
        of_parked_receipts_the_one_that_says_most_stays,
        the_newest_unknown_events_are_kept,
        media_are_fetched_when_due_and_until_given_up,
        leases_end_with_those_who_held_them,
        purge_forgets_the_edge_and_keeps_events_as_long_as_asked;
    many:
        one_committer_wins_each_version,
        events_stay_dense_under_concurrency,
        leases_are_given_once_under_concurrency,
        one_event_is_accepted_once_under_concurrency,
        one_claim_wins_under_concurrency;
    tenants:
        no_read_reaches_another_workspace,
        no_write_reaches_another_workspace,
        guards_see_their_own_workspace_only,
        event_numbers_are_each_workspaces_own;
    lasting:
        everything_is_there_after_reopening,
        numbers_go_on_after_reopening,
        pending_work_is_found_after_reopening;
}
