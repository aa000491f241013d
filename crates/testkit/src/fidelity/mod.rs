//! What an API server does, as checks that run against the simulated one and against a real kube-apiserver.
//!
//! So the simulated one cannot drift. Holds the checks and what they stand on; knows neither server. Called by
//! `tests/it/fidelity.rs` and by the binary `refloat-fidelity`.

mod applies;
mod controllers;
mod creates;
mod definitions;
mod deletes;
mod ground;
mod immutables;
mod links;
mod owners;
mod pauses;
mod reads;
mod trials;
mod updates;
mod webhooks;
mod worlds;

use refloat_core::world::World;
use serde_json::Value;

pub use ground::{Api, Ground};

use crate::sim::server::{Reply, reason};

/// What a check found; the text says what was other than expected.
pub type Checked = Result<(), String>;

/// One check that was run.
#[derive(Debug)]
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// What it found.
    pub found: Checked,
}

macro_rules! run_each {
    ($api:expr, $only:expr, $found:expr, [$($module:ident :: $check:ident),* $(,)?]) => {
        $(
            let name = concat!(stringify!($module), "::", stringify!($check));
            if $only.is_none_or(|only| name.contains(only)) {
                let ground = Ground::open($api, stringify!($check)).await;
                let found = match ground {
                    Ok(ground) => {
                        let found = $module::$check(&ground).await;
                        ground.close().await;
                        found
                    }
                    Err(why) => Err(why),
                };
                $found(Outcome { name, found });
            }
        )*
    };
}

/// Runs the checks of single requests, all or those whose name contains `only`; tells each as it ends.
pub async fn run<A: Api>(api: &A, only: Option<&str>, mut tell: impl FnMut(Outcome)) {
    reads(api, only, &mut tell).await;
    writes(api, only, &mut tell).await;
    rest(api, only, &mut tell).await;
}

async fn reads<A: Api>(api: &A, only: Option<&str>, tell: &mut impl FnMut(Outcome)) {
    run_each!(
        api,
        only,
        tell,
        [
            reads::what_is_not_there_is_named,
            reads::a_kind_that_nobody_serves_has_no_details,
            reads::pages_are_of_one_moment,
            reads::a_list_is_by_labels,
            reads::a_list_of_a_missing_namespace_is_empty,
            reads::a_continue_that_makes_no_sense_is_refused,
            reads::a_version_of_the_future_is_a_timeout,
            reads::a_watch_tells_what_happened_since,
            reads::a_watch_by_labels_tells_comings_and_goings,
            reads::a_watch_without_version_begins_with_all,
            reads::a_bookmark_has_a_version_and_nothing_else,
            reads::a_watch_from_before_its_history_is_expired,
            reads::a_group_says_what_it_serves,
        ]
    );
}

async fn writes<A: Api>(api: &A, only: Option<&str>, tell: &mut impl FnMut(Outcome)) {
    run_each!(
        api,
        only,
        tell,
        [
            creates::a_created_object_has_what_the_server_gives,
            creates::versions_rise_over_all_kinds,
            creates::a_second_create_is_refused,
            creates::a_generated_name_has_five_letters_more,
            creates::a_name_has_to_be_one,
            creates::the_body_has_to_fit_its_address,
            creates::a_version_is_not_for_what_is_created,
            creates::owners_of_fields_are_not_taken_from_a_create,
            creates::a_missing_namespace_is_named,
            creates::status_is_not_taken_from_a_create,
            creates::what_is_required_is_named,
            creates::a_dry_run_leaves_nothing,
            updates::a_write_that_changes_nothing_is_none,
            updates::an_old_version_is_a_conflict,
            updates::a_put_without_version_goes_through,
            updates::another_uid_is_not_the_same_object,
            updates::a_json_patch_is_all_or_nothing,
            updates::a_patch_does_not_rename,
            updates::a_patch_of_nothing_is_not_found,
            updates::a_generation_is_of_the_spec,
            updates::annotations_of_a_deployment_make_a_generation,
            updates::status_is_written_apart,
            updates::a_dry_patch_changes_nothing,
            owners::a_create_owns_each_field,
            owners::who_changes_a_field_owns_it,
            owners::owners_can_be_given_by_a_patch,
            owners::owners_can_be_cleared,
            owners::who_writes_status_is_recorded_apart,
            applies::an_apply_creates_and_owns,
            applies::an_apply_without_manager_is_refused,
            applies::an_apply_with_owners_is_refused,
            applies::a_field_of_another_is_a_conflict,
            applies::force_takes_a_field_over,
            applies::what_is_no_longer_applied_goes,
            applies::what_others_own_too_stays,
            applies::the_same_apply_changes_nothing,
            applies::items_with_names_are_merged,
            applies::an_impossible_version_only_creates,
            applies::an_apply_over_another_uid_is_a_conflict,
        ]
    );
}

async fn rest<A: Api>(api: &A, only: Option<&str>, tell: &mut impl FnMut(Outcome)) {
    run_each!(
        api,
        only,
        tell,
        [
            deletes::what_is_deleted_is_told_with_its_uid,
            deletes::a_delete_of_another_object_is_a_conflict,
            deletes::a_finalizer_holds_until_it_is_taken_off,
            deletes::no_finalizer_is_added_to_what_goes,
            deletes::dependents_go_after_their_owner,
            deletes::an_owner_waits_for_what_blocks_it,
            deletes::orphans_lose_their_owner_and_stay,
            deletes::an_owner_with_another_uid_is_none,
            deletes::an_owner_in_another_namespace_is_none,
            deletes::one_of_two_owners_is_enough,
            links::a_name_beside_a_generated_one_counts,
            links::an_owner_that_is_named_later_is_one,
            links::there_is_one_controller,
            links::an_owner_without_a_uid_is_none,
            deletes::a_namespace_goes_with_its_content,
            deletes::a_namespace_takes_nothing_new_while_it_goes,
            deletes::some_namespaces_may_not_go,
            deletes::a_claim_is_protected_from_its_first_moment,
            deletes::a_namespace_has_its_first_objects,
            deletes::a_pod_without_node_goes_at_once,
            immutables::a_claims_spec_stays,
            immutables::a_selector_stays,
            immutables::a_stateful_set_stays_but_for_some_fields,
            immutables::a_jobs_template_stays,
            immutables::immutable_data_stays,
            immutables::a_role_that_is_bound_stays,
            immutables::a_secrets_type_stays,
            immutables::a_cluster_address_is_given_once,
            immutables::a_cluster_address_does_not_change,
            immutables::a_node_port_is_given_once,
            immutables::a_volume_may_be_pointed_at_another_claim,
            immutables::fields_that_are_left_out_get_their_defaults,
            definitions::a_kind_is_served_once_it_is_established,
            definitions::unknown_fields_are_pruned_and_wrong_ones_refused,
            definitions::a_definition_needs_a_schema,
            definitions::status_of_a_custom_resource_is_apart,
            definitions::a_put_of_a_custom_resource_needs_a_version,
            definitions::a_version_is_as_good_as_another,
            definitions::its_objects_go_with_a_definition,
            webhooks::a_webhook_that_does_not_answer_fails_the_write,
            webhooks::a_webhook_that_may_be_ignored_is,
            webhooks::what_is_not_selected_is_not_asked_about,
            controllers::a_deployment_rolls_out_by_a_replica_set,
            controllers::a_pod_waits_for_a_secret_that_it_names,
            controllers::a_stateful_set_makes_claims_and_pods_in_order,
            controllers::a_claim_waits_for_its_first_consumer,
            controllers::a_pod_without_a_node_protects_no_claim,
            controllers::a_snapshot_is_bound_to_its_content,
        ]
    );
}

macro_rules! run_worlds {
    ($world:expr, $api:expr, $only:expr, $found:expr, [$($check:ident),* $(,)?]) => {
        $(
            let name = concat!("worlds::", stringify!($check));
            if $only.is_none_or(|only| name.contains(only)) {
                let found = match Ground::open($api, stringify!($check)).await {
                    Ok(ground) => {
                        let found = worlds::$check($world, &ground).await;
                        ground.close().await;
                        found
                    }
                    Err(why) => Err(why),
                };
                $found(Outcome { name, found });
            }
        )*
    };
}

/// Runs the checks of the World port; `api` reaches the same cluster.
pub async fn run_world<W: World, A: Api>(
    world: &W,
    api: &A,
    only: Option<&str>,
    mut tell: impl FnMut(Outcome),
) {
    run_worlds!(
        world,
        api,
        only,
        tell,
        [
            a_create_creates_once,
            a_create_by_apply_creates_once,
            an_invalid_create_is_stuck,
            a_create_in_no_namespace_is_stuck,
            a_create_in_a_going_namespace_is_tried_again,
            a_kind_that_is_not_served_is_stuck_to_read_and_tried_again_to_write,
            a_patch_is_for_the_object_that_was_read,
            a_json_patch_is_guarded_and_tested,
            a_patch_of_nothing_is_tried_again,
            a_patch_of_what_is_immutable_is_stuck,
            a_patch_of_status_is_of_status,
            a_delete_is_for_the_object_that_was_read,
            a_delete_of_nothing_is_done,
            a_webhook_that_fails_is_tried_again,
            lists_are_typed_and_by_labels,
            a_pause_ends_with_the_names_of_what_changed,
            a_kind_is_served_or_not,
            a_creation_that_is_tried_creates_nothing,
        ]
    );
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the callers make the values for this call"
)]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Checked {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {found:?}, not {wanted:?}"))
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(what()) }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn version(value: &Value) -> String {
    text(value, "/metadata/resourceVersion").to_owned()
}

/// The body of a reply that has to be a success.
fn done(reply: Reply) -> Result<Value, String> {
    if reply.is_success() {
        Ok(reply.body)
    } else {
        Err(format!("{}: {}", reply.code, reply.body))
    }
}

/// A refusal with this code and reason.
fn refused(reply: &Reply, code: u16, why: &str) -> Checked {
    ensure(reply.code == code && reason(&reply.body) == why, || {
        format!("not {code} {why} but {}: {}", reply.code, reply.body)
    })
}

/// A refusal because of this field, for this reason.
fn because(reply: &Reply, field: &str, why: &str) -> Checked {
    let causes = reply
        .body
        .pointer("/details/causes")
        .and_then(Value::as_array);
    let found = causes
        .into_iter()
        .flatten()
        .any(|cause| text(cause, "/field") == field && text(cause, "/reason") == why);
    ensure(found, || {
        format!(
            "no cause {why} of {field:?} in {}: {}",
            reply.code, reply.body
        )
    })
}

/// A refusal whose message contains these words.
fn says(reply: &Reply, words: &str) -> Checked {
    ensure(text(&reply.body, "/message").contains(words), || {
        format!("no {words:?} in {}", reply.body)
    })
}
