//! The cases, in the order in which they run.

mod disturbances;
mod faults;
mod manifests;
mod many;
mod neighbours;
mod schedule;
mod submit;
mod whole_runs;

use crate::Case;

macro_rules! cases {
    ($($module:ident: $($name:ident),+;)+) => {
        /// Every case by its name.
        pub(crate) const CASES: &[Case] = &[$($(Case { name: stringify!($name), run: $module::$name }),+),+];
    };
}

cases! {
    manifests: every_overlay_is_accepted_by_the_api_server, pods_that_want_more_than_restricted_are_warned_of;
    whole_runs: applying_an_overlay_is_all_that_it_takes, what_a_patch_says_of_a_template_is_what_runs,
        two_namespaces_run_side_by_side;
    submit: a_dry_run_says_what_it_costs_and_changes_nothing, submitting_from_outside_does_the_same,
        the_same_submitted_twice_at_once_is_one_run, a_cancelled_run_is_gone_and_the_next_one_goes_on_at_once;
    neighbours: settings_that_a_run_makes_pods_from_do_not_change_under_it, a_schedule_is_not_replaced_or_changed_unasked,
        a_map_that_its_coordinator_has_left_is_waited_for, a_map_that_its_coordinator_has_left_is_cancelled;
    disturbances: a_map_pod_killed_in_mid_shard_is_made_again, an_evicted_map_pod_is_made_again_and_not_counted,
        a_coordinator_killed_in_any_phase_goes_on, a_suspended_map_goes_on_when_it_is_resumed,
        a_store_that_is_gone_for_half_a_minute_is_waited_for, a_node_that_comes_back_finishes_what_it_began;
    faults: a_poisoned_shard_fails_alone_and_mended_is_done_alone,
        a_poisoned_shard_among_several_of_a_pod_leaves_the_others_done, a_map_pod_out_of_memory_is_named,
        an_image_that_cannot_be_pulled_is_named, wrong_credentials_end_the_run_at_once, a_missing_permission_is_named;
    schedule: a_schedule_that_is_due_during_a_run_starts_no_other, every_month_embeds_only_what_the_newest_snapshot_adds;
    many: two_hundred_indices_run_on_a_single_node;
}
