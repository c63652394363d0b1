//! The attacks of the threat table, each through every way in that makes sense, judged by what the *origin* saw.
//!
//! Its own runner: it counts rows of the table, prints each miss, and what no test here covers.
//! `cargo test -p exeat-tests --test attacks -- fronting` runs those whose name or row holds `fronting`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here is a failed test")]

mod bodies;
mod canaries;
mod flow;
mod framing;
mod fronting;
mod headers;
mod hosts;
mod http2;
mod meaning;
mod policies;
mod pushes;
mod raw_h2;
mod runner;

use runner::{Attack, attack};

/// Every attack, by its row in the threat table.
fn attacks() -> Vec<Attack> {
    vec![
        // These wait out a limit of 30 s, so they begin first.
        attack!("F1", flow::a_slow_head_is_closed_while_others_are_served),
        attack!("F1", flow::idle_strangers_keep_nobody_out),
        attack!("A1", fronting::tunnel_names_that_disagree_reach_nobody),
        attack!("A1", fronting::a_coalesced_stream_for_another_name_is_misdirected),
        attack!("A2", fronting::an_absolute_uri_that_disagrees_with_host_is_refused),
        attack!("A2", fronting::an_absolute_uri_in_a_tunnel_is_refused),
        attack!("A3", hosts::odd_spellings_are_refused_or_made_canonical),
        attack!("A4", fronting::every_way_gives_the_same_verdict),
        attack!("A6", hosts::addresses_that_are_not_public_are_refused_by_every_way),
        attack!("A6", hosts::the_gateways_own_listener_cannot_be_reached),
        attack!("A7", hosts::a_name_that_leads_to_a_private_address_is_refused),
        attack!("B1", framing::the_desync_corpus_leaves_nothing_but_audited_requests),
        attack!("B1", framing::what_the_corpus_calls_compliant_passes),
        attack!("B1", framing::violations_are_answered_and_recorded),
        attack!("B2", framing::chunks_and_lines_with_two_readings_never_complete),
        attack!("B3", framing::an_upgrade_forwards_nothing),
        attack!("B4", framing::chunks_in_http_1_0_are_refused),
        attack!("B5", http2::malformed_streams_never_complete),
        attack!("B6", headers::connection_cannot_take_the_credential_away),
        attack!("B7", headers::aliases_and_duplicates_of_credentials_reach_nobody),
        attack!("C1", meaning::paths_with_two_readings_are_refused_or_made_canonical),
        attack!("C2", meaning::headers_that_override_the_method_are_refused),
        attack!("C3", bodies::a_publish_that_cannot_be_seen_whole_is_refused),
        attack!("C5", bodies::json_of_two_meanings_is_refused),
        attack!("C6", pushes::crafted_pushes_are_refused_ref_by_ref),
        attack!("C6", pushes::pushes_that_cannot_be_read_are_refused),
        attack!("C7", bodies::every_variant_of_publishing_is_refused),
        attack!("C9", policies::a_policy_that_errs_denies),
        attack!("C10", policies::a_reload_race_never_mixes_versions),
        attack!("C10", policies::a_broken_set_keeps_the_old_one_in_force),
        attack!("D1", headers::a_redirect_is_relayed_without_the_secret),
        attack!("D3", headers::a_placeholder_in_the_wrong_place_is_refused),
        attack!("D5", headers::nobody_comes_in_without_a_token_of_their_own),
        attack!("D8", canaries::no_secret_is_written_anywhere),
        attack!("F3", flow::a_large_download_is_not_held),
        attack!("F3", flow::an_upload_streams),
        attack!("F3", flow::a_trickle_arrives_as_it_comes),
        attack!("F5", canaries::whatever_a_client_writes_is_one_bounded_record),
    ]
}

/// Rows that no test here covers, and where they are covered if anywhere.
const NOT_COVERED: [(&str, &str); 21] = [
    ("A5", "a relay inside the sandbox: `exeat demo`, without-proxy-variables"),
    ("A8", "DNS tunnels: `exeat demo`, no-other-way-out"),
    ("A9", "QUIC, ICMP, raw sockets, IPv6: `exeat demo`, no-other-way-out"),
    ("B8", "response smuggling and floods of 1xx"),
    ("C4", "GraphQL is unclassified in this version"),
    ("C8", "WebSocket is not forwarded in this version"),
    ("C11", "of the dependencies, only the journal fails here: test `crash`"),
    ("D2", "responses are not scrubbed in this version"),
    ("D4", "tokens minted in responses are not captured in this version"),
    ("D6", "one machine has one tenant; a cluster: test `cluster`, gateway::tenants"),
    ("D7", "a million server names: certificates are bounded by a cache, not tested here"),
    ("E1", "there are no approvals in this version"),
    ("E2", "there are no approvals in this version"),
    ("E3", "there are no approvals in this version"),
    ("E4", "there are no approvals in this version"),
    ("E5", "there are no approvals in this version"),
    ("E6", "budgets are a cluster's: test `cluster`, gateway::budgets"),
    ("E7", "there are no expiries in this version"),
    ("F2", "floods of HTTP/2 frames"),
    ("F4", "test `crash`, full_disk"),
    ("F6", "test `crash`, journal_damage"),
];

fn main() -> std::process::ExitCode {
    runner::run(attacks(), &NOT_COVERED)
}
